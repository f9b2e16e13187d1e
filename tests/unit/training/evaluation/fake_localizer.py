"""A localizer whose scores are known beforehand, and an evaluation set for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.frame_grid import FrameGrid
from service.core.presence import PresenceRule
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.localizers import postprocessing_at

GRID = FrameGrid(16_000, 640)
ABSENT_SCORE = 0.02


class FakeLocalizer:
    """Reads the query as a number: the score of frames with sound. The score of silent frames is ABSENT_SCORE.

    `calls` holds the queries and the median filter of each call.
    """

    grid = GRID
    postprocessing = postprocessing_at(0.5, 0.0, 1.0)

    def __init__(self, calibrated: bool = True) -> None:
        self.calibrated = calibrated
        self.presence: PresenceRule | None = None
        self.subject: dict[str, Any] = {"kind": "fake"}
        self.calls: list[tuple[list[str], float]] = []

    def scores(
        self, waveform: NDArray[np.float32], queries: Sequence[str], median_filter_s: float
    ) -> NDArray[np.float32]:
        self.calls.append((list(queries), median_filter_s))
        has_sound = np.abs(waveform.reshape(-1, 640)).max(axis=1) > 0
        return np.stack([np.where(has_sound, float(query), ABSENT_SCORE) for query in queries]).astype(np.float32)

    def similarities(self, waveform: NDArray[np.float32], queries: Sequence[str]) -> NDArray[np.float32]:
        return self.scores(waveform, queries, 0.0)


def fake_set(*labels: str) -> EvaluationSet:
    """A clip of 2 s with sound from 0.4 s to 0.8 s, where every label has its event."""
    waveform = np.zeros(32_000, np.float32)
    waveform[6_400:12_800] = 0.5
    events = tuple((label, 0.4, 0.8) for label in labels)
    clip = EvaluationClip("clip", lambda _: waveform, 2.0, events, tuple(range(len(labels))))
    return EvaluationSet("fake", (clip,), labels, tuple((label,) for label in labels))
