"""Sources of score curves for evaluation: a checkpoint, a bundle, or a running service."""

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx
import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from service.answer import SCORE_DECIMALS
from service.core import scoring
from service.core.curves import score_curves
from service.core.cutting import cut_windows
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.presence import PresenceRule
from service.core.scoring import UNCALIBRATED, Calibration, EncodedQueries
from service.engine.clip import Upload
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from training.checkpoint import load_checkpoint
from training.model import LanguageAudioModel
from training.towers.text import SentenceEncoder

Float32 = NDArray[np.float32]

QUERIES_PER_REQUEST = 32
MEDIAN_FILTER_S, EXTENT_RATIO, CORE_S, SHORT_EXTENT_RATIO = 0.36, 0.2, 0.28, 0.6
"""Post-processing of the default model; `training/EXPERIMENTS.md` says how it was chosen."""
MIN_DURATION_S, MERGE_GAP_S = 0.1, 0.2


class Localizer(Protocol):
    """A source of the score curves of queries in waveforms.

    Attributes:
        grid: The frames of the curves; waveforms have its sample rate.
        postprocessing: The default post-processing.
        presence: When a query counts as heard in a long clip; None if every segment counts.
        calibrated: Whether the default threshold was chosen by calibration. If not, evaluation chooses the threshold.
        subject: Kind, place, name and version of the evaluated model, for reports.
    """

    grid: FrameGrid
    postprocessing: Postprocessing
    presence: PresenceRule | None
    calibrated: bool
    subject: dict[str, Any]

    def scores(self, waveform: Float32, queries: Sequence[str], median_filter_s: float) -> Float32:
        """Computes scores (Q, T) of Q queries in a waveform (N,), smoothed by a median filter of that width."""
        ...

    def similarities(self, waveform: Float32, queries: Sequence[str]) -> Float32:
        """Computes raw cosine similarities (Q, T) of Q queries in a waveform (N,)."""
        ...


class CheckpointLocalizer:
    """The towers of a checkpoint, with the windows and post-processing of the service.

    Attributes:
        calibration: The sigmoid of the model before `training.calibrate`; see `trained_calibration`.
    """

    def __init__(
        self, model: LanguageAudioModel, encoder: SentenceEncoder, median_filter_s: float, extent_ratio: float
    ) -> None:
        self.model, self.encoder = model.eval(), encoder
        self.grid, self.windows = model.audio.grid, model.audio.window_plan
        self.postprocessing = postprocessing_at(0.5, median_filter_s, extent_ratio)
        self.presence: PresenceRule | None = None
        self.calibrated = False
        self.subject: dict[str, Any] = {"kind": "checkpoint"}
        self.calibration = trained_calibration(model)
        self._encoded: dict[str, EncodedQueries] = {}
        self._embedded: tuple[Float32, Float32] | None = None  # the last waveform, and its frame embeddings

    @classmethod
    def load(cls, file: Path, median_filter_s: float, extent_ratio: float) -> "CheckpointLocalizer":
        """Loads the averaged weights of a checkpoint of training.train.

        Raises:
            ValueError: The file is not a checkpoint of training.train.
            FileNotFoundError: The file does not exist.
        """
        try:
            model, encoder, recipe = load_checkpoint(file)
        except (pickle.UnpicklingError, EOFError, RuntimeError, LookupError, TypeError) as error:
            raise ValueError(f"{file} is no checkpoint of training.train ({type(error).__name__})") from error
        localizer = cls(model, encoder, median_filter_s, extent_ratio)
        localizer.subject |= {"path": str(file), "name": recipe.name, "version": recipe.version}
        return localizer

    @torch.inference_mode()
    def embed(self, waveform: Float32) -> Float32:
        """Computes frame embeddings (T, D) of a waveform (N,), which is cut into windows and stitched as in serving."""
        starts, windows = zip(*cut_windows(waveform, self.windows, self.grid), strict=True)
        embeddings = self.model.served_frames(torch.from_numpy(np.stack(windows))).numpy()  # (W, Tw, D)
        return self.windows.stitch(embeddings, list(starts), self.grid.n_frames(len(waveform)))

    def encode_queries(self, queries: Sequence[str]) -> EncodedQueries:
        """Encodes Q queries. The result is cached, since every clip of an evaluation set has the same queries."""
        new = [query for query in dict.fromkeys(queries) if query not in self._encoded]
        if new:
            self._encoded |= zip(new, encode_with_torch(self.model, self.encoder, new).split(), strict=True)
        return EncodedQueries.join([self._encoded[query] for query in queries])

    def evidence(self, waveform: Float32, queries: Sequence[str]) -> Float32:
        """Computes the evidence (Q, T) of Q queries in a waveform (N,); see `EncodedQueries.evidence`."""
        return self.encode_queries(queries).evidence(self.similarities(waveform, queries))

    def similarities(self, waveform: Float32, queries: Sequence[str]) -> Float32:
        """Computes raw cosine similarities (Q, T) of Q queries in a waveform (N,)."""
        # evaluation scores the same waveform once for each filter width
        if self._embedded is None or self._embedded[0] is not waveform:
            self._embedded = waveform, self.embed(waveform)
        return scoring.similarity(self._embedded[1], self.encode_queries(queries).embeddings)

    def scores(self, waveform: Float32, queries: Sequence[str], median_filter_s: float) -> Float32:
        """Computes scores (Q, T) of Q queries in a waveform (N,), smoothed by a median filter of that width."""
        postprocessing = self.postprocessing.override(median_filter_s=median_filter_s)
        return score_curves(self.evidence(waveform, queries), self.calibration, self.grid, postprocessing).extended


class BundleLocalizer:
    """A bundle, run by the engine of the service in this process."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_engine(folder, EngineOptions(max_queries=2**16))
        manifest = self.engine.manifest
        self.grid, self.postprocessing, self.calibrated = manifest.grid, manifest.postprocessing, True
        self.presence = manifest.presence
        self.subject: dict[str, Any] = {
            "kind": "bundle", "path": str(folder), "name": manifest.name, "version": manifest.version,
        }  # fmt: skip

    def scores(self, waveform: Float32, queries: Sequence[str], median_filter_s: float) -> Float32:
        """Computes scores (Q, T) of Q queries in a waveform (N,), smoothed by a median filter of that width."""
        postprocessing = self.postprocessing.override(median_filter_s=median_filter_s)
        answer = self.engine.localize(
            Upload.of_bytes(as_wav(waveform, self.grid.sample_rate_hz)), queries, postprocessing
        )
        return np.round(np.stack([result.score for result in answer.results]), SCORE_DECIMALS)

    def similarities(self, waveform: Float32, queries: Sequence[str]) -> Float32:
        """Computes raw cosine similarities (Q, T) of Q queries in a waveform (N,)."""
        answer = self.engine.localize(
            Upload.of_bytes(as_wav(waveform, self.grid.sample_rate_hz)), queries, self.postprocessing
        )
        return np.stack([result.similarity for result in answer.results])


class ServiceLocalizer:
    """A running service, called through `POST /localize`.

    Raises:
        ValueError: The answer to `GET /info` is not that of an Earmark service.
        httpx.HTTPError: The service does not answer.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        info = self.client.get("/info").raise_for_status().json()
        try:
            model, defaults = info["model"], info["defaults"]
            self.grid = FrameGrid(model["sample_rate_hz"], round(model["hop_s"] * model["sample_rate_hz"]))
            known = {name: defaults[name] for name in Postprocessing.__slots__ if name in defaults}
            self.postprocessing = Postprocessing(**known)  # an older service has fewer settings
            rule = model.get("presence")  # and may have no such member
            self.presence = PresenceRule(**rule) if rule else None
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{client.base_url} is not an Earmark service: its answer to GET /info has another form"
            ) from error
        self.calibrated = True
        self.subject: dict[str, Any] = {
            "kind": "service", "url": str(client.base_url), "name": model["name"], "version": model["version"],
        }  # fmt: skip

    def scores(self, waveform: Float32, queries: Sequence[str], median_filter_s: float) -> Float32:
        """Computes scores (Q, T) of Q queries in a waveform (N,), smoothed by a median filter of that width."""
        return self._curves(waveform, queries, "score", median_filter_s=repr(median_filter_s))

    def similarities(self, waveform: Float32, queries: Sequence[str]) -> Float32:
        """Computes raw cosine similarities (Q, T) of Q queries in a waveform (N,)."""
        return self._curves(waveform, queries, "similarity")

    def _curves(self, waveform: Float32, queries: Sequence[str], curve: str, **fields: str) -> Float32:
        audio = as_wav(waveform, self.grid.sample_rate_hz)
        curves: list[list[float]] = []
        for start in range(0, len(queries), QUERIES_PER_REQUEST):
            answer = self.client.post(
                "/localize",
                files={"audio": ("clip.wav", audio, "audio/wav")},
                data={"curves": curve} | fields | {"query": list(queries[start : start + QUERIES_PER_REQUEST])},
            )
            curves += [result[curve] for result in answer.raise_for_status().json()["results"]]
        return np.asarray(curves, dtype=np.float32)


@torch.inference_mode()
def encode_with_torch(model: LanguageAudioModel, encoder: SentenceEncoder, queries: Sequence[str]) -> EncodedQueries:
    """Encodes Q queries with the text tower of a model."""
    embeddings = model.served_queries(encoder.encode(list(queries)))  # (Q, D)
    sigmoids = model.own_sigmoid.stacked(embeddings).numpy() if model.own_sigmoid else None  # (Q, 2)
    return EncodedQueries(embeddings.numpy(), sigmoids)


def trained_calibration(model: LanguageAudioModel) -> Calibration:
    """The sigmoid of a model before `training.calibrate`: the trained scale and bias.

    For a model with text-dependent sigmoids it is the identity, which leaves the text-dependent logits unchanged.
    """
    if model.own_sigmoid:
        return UNCALIBRATED
    return Calibration(float(model.scale.detach()), float(model.bias.detach()))


def postprocessing_at(threshold: float, median_filter_s: float, extent_ratio: float) -> Postprocessing:
    """Makes the post-processing of a model that is not calibrated, with a given threshold."""
    return Postprocessing(
        threshold=threshold,
        threshold_off=threshold,  # the extended curve includes the extent of a sound already
        median_filter_s=median_filter_s,
        extent_ratio=extent_ratio,
        min_duration_s=MIN_DURATION_S,
        merge_gap_s=MERGE_GAP_S,
        extent_scale="odds",
        core_s=CORE_S,
        short_extent_ratio=SHORT_EXTENT_RATIO,
    )


def as_wav(waveform: Float32, sample_rate_hz: int) -> bytes:
    """Encodes a waveform (N,) as a WAV file of 32-bit floats, without loss."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, sample_rate_hz, format="WAV", subtype="FLOAT")
    return buffer.getvalue()
