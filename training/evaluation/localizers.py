"""What is evaluated: a checkpoint, or a running service. Both give the curves that the service returns."""

import io
from collections.abc import Sequence
from typing import Protocol

import httpx
import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from service.core import scoring
from service.core.frame_grid import FrameGrid
from training.model import LanguageAudioModel
from training.towers.front_end import SAMPLE_RATE_HZ
from training.towers.text import SentenceEncoder

QUERIES_PER_REQUEST = 32
MEDIAN_FILTER_S, EXTENT_RATIO = 0.36, 0.4
"""The smoothing of the model that ships; how it was chosen: `training/EXPERIMENTS.md`."""


class Localizer(Protocol):
    """Gives score curves for queries about waveforms at 16 kHz, on the grid of its own."""

    grid: FrameGrid

    def scores(self, waveform: NDArray[np.float32], queries: Sequence[str]) -> NDArray[np.float32]:
        """A waveform (N,) and Q queries to smoothed scores (Q, T)."""
        ...


class CheckpointLocalizer:
    """The towers of a checkpoint, smoothed as the service does it; its scores are those of the uncalibrated sigmoid."""

    def __init__(
        self, model: LanguageAudioModel, encoder: SentenceEncoder, median_filter_s: float, extent_ratio: float
    ) -> None:
        self.model, self.encoder = model.eval(), encoder
        self.grid = model.audio.grid
        self.median_filter_s = median_filter_s
        self.width_frames = self.grid.odd_frames_for(median_filter_s)
        self.extent_ratio = extent_ratio
        self._asked: tuple[tuple[str, ...], NDArray[np.float32]] | None = None

    @torch.inference_mode()
    def embed(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frame embeddings (T, D) of a waveform (N,), which is cut into windows and padded with silence as in serving."""
        plan, grid = self.model.audio.window_plan, self.grid
        samples = waveform
        if grid.sample_rate_hz != SAMPLE_RATE_HZ:
            samples = soxr.resample(waveform, SAMPLE_RATE_HZ, grid.sample_rate_hz)
        n_frames, window_samples = grid.n_frames(len(samples)), grid.n_samples(plan.window_frames)
        starts = plan.starts(n_frames)
        padded = np.pad(samples, (0, grid.n_samples(starts[-1]) + window_samples - len(samples)))
        windows = np.stack([padded[grid.n_samples(start) :][:window_samples] for start in starts])
        return plan.stitch(self.model.frames(torch.from_numpy(windows)).numpy(), starts, n_frames)

    @torch.inference_mode()
    def embed_queries(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Query embeddings (Q, D); those of the last call are kept, since every scene is asked the same."""
        if self._asked is None or self._asked[0] != tuple(queries):
            self._asked = tuple(queries), self.model.queries(self.encoder.encode(list(queries))).numpy()
        return self._asked[1]

    @torch.inference_mode()
    def scores(self, waveform: NDArray[np.float32], queries: Sequence[str]) -> NDArray[np.float32]:
        """A waveform (N,) and Q queries to smoothed scores (Q, T)."""
        similarity = scoring.similarity(self.embed(waveform), self.embed_queries(queries))
        raw = scoring.score(similarity, float(self.model.scale), float(self.model.bias))
        return scoring.extend(scoring.median_filter(raw, self.width_frames), self.extent_ratio)


class ServiceLocalizer:
    """A running service, asked through `POST /localize` for what it returns by default."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60.0)
        info = self.client.get("/info").raise_for_status().json()
        self.grid = FrameGrid(
            info["model"]["sample_rate_hz"], round(info["model"]["hop_s"] * info["model"]["sample_rate_hz"])
        )

    def scores(self, waveform: NDArray[np.float32], queries: Sequence[str]) -> NDArray[np.float32]:
        """A waveform (N,) and Q queries to smoothed scores (Q, T)."""
        buffer = io.BytesIO()
        soundfile.write(buffer, waveform, SAMPLE_RATE_HZ, format="WAV", subtype="FLOAT")
        curves: list[list[float]] = []
        for start in range(0, len(queries), QUERIES_PER_REQUEST):
            answer = self.client.post(
                "/localize",
                files={"audio": ("scene.wav", buffer.getvalue(), "audio/wav")},
                data={"query": list(queries[start : start + QUERIES_PER_REQUEST]), "curves": "score"},
            )
            curves += [result["score"] for result in answer.raise_for_status().json()["results"]]
        return np.asarray(curves, dtype=np.float32)
