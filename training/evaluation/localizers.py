"""What is evaluated: a checkpoint, a bundle, or a running service. All give the curves that the service returns."""

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
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.engine.clip import Upload
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from training.checkpoint import load_checkpoint
from training.model import LanguageAudioModel
from training.towers.text import SentenceEncoder

QUERIES_PER_REQUEST = 32
MEDIAN_FILTER_S, EXTENT_RATIO = 0.36, 0.4
"""The smoothing of the model that ships; how it was chosen: `training/EXPERIMENTS.md`."""
MIN_DURATION_S, MERGE_GAP_S = 0.1, 0.2


class Localizer(Protocol):
    """Gives score curves for queries about waveforms at the rate of its grid.

    Attributes:
        grid: The frames of its curves.
        postprocessing: What it does by default.
        calibrated: Whether its default threshold means anything.
        subject: What it is, for reports.
    """

    grid: FrameGrid
    postprocessing: Postprocessing
    calibrated: bool
    subject: dict[str, Any]

    def scores(
        self, waveform: NDArray[np.float32], queries: Sequence[str], median_filter_s: float
    ) -> NDArray[np.float32]:
        """A waveform (N,) and Q queries to scores (Q, T), smoothed by a median filter of that width."""
        ...


class CheckpointLocalizer:
    """The towers of a checkpoint, smoothed as the service does it; its scores are those of the uncalibrated sigmoid."""

    def __init__(
        self, model: LanguageAudioModel, encoder: SentenceEncoder, median_filter_s: float, extent_ratio: float
    ) -> None:
        self.model, self.encoder = model.eval(), encoder
        self.grid, self.windows = model.audio.grid, model.audio.window_plan
        self.postprocessing = postprocessing_at(0.5, median_filter_s, extent_ratio)
        self.calibrated = False
        self.subject: dict[str, Any] = {"kind": "checkpoint"}
        self._queries: dict[str, NDArray[np.float32]] = {}
        self._heard: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    @classmethod
    def load(cls, file: Path, median_filter_s: float, extent_ratio: float) -> "CheckpointLocalizer":
        """The averaged weights of a checkpoint of training.train.

        Raises:
            ValueError: The file is none.
            FileNotFoundError: It is not there.
        """
        try:
            model, encoder, recipe = load_checkpoint(file)
        except (pickle.UnpicklingError, EOFError, RuntimeError, LookupError, TypeError) as error:
            raise ValueError(f"{file} is no checkpoint of training.train ({type(error).__name__})") from error
        localizer = cls(model, encoder, median_filter_s, extent_ratio)
        localizer.subject |= {"path": str(file), "name": recipe.name, "version": recipe.version}
        return localizer

    @torch.inference_mode()
    def embed(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frame embeddings (T, D) of a waveform (N,), cut into windows and stitched as in serving."""
        plan, grid = self.windows, self.grid
        n_frames, window_samples = grid.n_frames(len(waveform)), grid.n_samples(plan.window_frames)
        starts = plan.starts(n_frames)
        padded = np.pad(waveform, (0, grid.n_samples(starts[-1]) + window_samples - len(waveform)))
        windows = np.stack([padded[grid.n_samples(start) :][:window_samples] for start in starts])
        return plan.stitch(self.model.served_frames(torch.from_numpy(windows)).numpy(), starts, n_frames)

    @torch.inference_mode()
    def embed_queries(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Query embeddings (Q, D); they are kept, since every clip is asked the same."""
        new = [query for query in dict.fromkeys(queries) if query not in self._queries]
        if new:
            self._queries |= zip(new, self.model.served_queries(self.encoder.encode(new)).numpy(), strict=True)
        return np.stack([self._queries[query] for query in queries])

    @torch.inference_mode()
    def scores(
        self, waveform: NDArray[np.float32], queries: Sequence[str], median_filter_s: float
    ) -> NDArray[np.float32]:
        """A waveform (N,) and Q queries to scores (Q, T), smoothed by a median filter of that width."""
        if self._heard is None or self._heard[0] is not waveform:  # a clip is asked for one width after another
            self._heard = waveform, self.embed(waveform)
        embedded = self.embed_queries(queries)
        similarity = scoring.similarity(self._heard[1], embedded)
        if self.model.own_sigmoid:
            raw = self.model.own_sigmoid.scores(torch.from_numpy(similarity), torch.from_numpy(embedded)).numpy()
        else:
            raw = scoring.score(similarity, float(self.model.scale), float(self.model.bias))
        smoothed = scoring.median_filter(raw, self.grid.odd_frames_for(median_filter_s))
        return scoring.extend(smoothed, self.postprocessing.extent_ratio)


class BundleLocalizer:
    """A bundle, run by the service's engine in this process."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_engine(folder, EngineOptions(max_queries=2**16))
        manifest = self.engine.manifest
        self.grid, self.postprocessing, self.calibrated = manifest.grid, manifest.postprocessing, True
        self.subject: dict[str, Any] = {
            "kind": "bundle", "path": str(folder), "name": manifest.name, "version": manifest.version,
        }  # fmt: skip

    def scores(
        self, waveform: NDArray[np.float32], queries: Sequence[str], median_filter_s: float
    ) -> NDArray[np.float32]:
        """A waveform (N,) and Q queries to scores (Q, T), smoothed by a median filter of that width."""
        postprocessing = self.postprocessing.override(median_filter_s=median_filter_s)
        answer = self.engine.localize(
            Upload.of_bytes(as_wav(waveform, self.grid.sample_rate_hz)), queries, postprocessing
        )
        return np.round(np.stack([result.score for result in answer.results]), SCORE_DECIMALS)


class ServiceLocalizer:
    """A running service, asked through `POST /localize`.

    Raises:
        ValueError: It is another one.
        httpx.HTTPError: It does not answer.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        info = self.client.get("/info").raise_for_status().json()
        try:
            model, defaults = info["model"], info["defaults"]
            self.grid = FrameGrid(model["sample_rate_hz"], round(model["hop_s"] * model["sample_rate_hz"]))
            self.postprocessing = Postprocessing(**{name: defaults[name] for name in Postprocessing.__slots__})
        except (KeyError, TypeError) as error:
            raise ValueError(f"{client.base_url} answers GET /info otherwise than this service does") from error
        self.calibrated = True
        self.subject: dict[str, Any] = {
            "kind": "service", "url": str(client.base_url), "name": model["name"], "version": model["version"],
        }  # fmt: skip

    def scores(
        self, waveform: NDArray[np.float32], queries: Sequence[str], median_filter_s: float
    ) -> NDArray[np.float32]:
        """A waveform (N,) and Q queries to scores (Q, T), smoothed by a median filter of that width."""
        audio = as_wav(waveform, self.grid.sample_rate_hz)
        asked = {"curves": "score", "median_filter_s": repr(median_filter_s)}
        curves: list[list[float]] = []
        for start in range(0, len(queries), QUERIES_PER_REQUEST):
            answer = self.client.post(
                "/localize",
                files={"audio": ("clip.wav", audio, "audio/wav")},
                data=asked | {"query": list(queries[start : start + QUERIES_PER_REQUEST])},
            )
            curves += [result["score"] for result in answer.raise_for_status().json()["results"]]
        return np.asarray(curves, dtype=np.float32)


def postprocessing_at(threshold: float, median_filter_s: float, extent_ratio: float) -> Postprocessing:
    """The post-processing of a model that is not calibrated yet, at a threshold."""
    return Postprocessing(
        threshold=threshold,
        threshold_off=threshold,  # how far a sound reaches is in the extended curve already
        median_filter_s=median_filter_s,
        extent_ratio=extent_ratio,
        min_duration_s=MIN_DURATION_S,
        merge_gap_s=MERGE_GAP_S,
    )


def as_wav(waveform: NDArray[np.float32], sample_rate_hz: int) -> bytes:
    """A recording without loss, as it is sent."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, sample_rate_hz, format="WAV", subtype="FLOAT")
    return buffer.getvalue()
