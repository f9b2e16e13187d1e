"""What a query detects with the default post-processing: false alarms in the sound bank, and its sound in its own scenes.

Letters of shapes: S scenes, T frames of a scene, D channels of an embedding.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.core.curves import score_curves, smooth
from service.core.frame_grid import FrameGrid
from service.core.manifest import Manifest
from training.own_sounds.learning import LearntQuery, constant_direction, shifted
from training.own_sounds.scenes import SoundScenes
from training.synthesis.truth import runs

Float32 = NDArray[np.float32]
ALARMS_PER_HOUR = 5.0
"""Largest accepted rate of false alarms in the scenes of the sound bank at the default threshold."""
LARGEST_SHIFT = 3.0
BISECTIONS = 40


class Query(Protocol):
    """Gives the evidence of frames."""

    def evidence(self, frames: Float32) -> Float32:
        """Evidence of frames (..., D), from which scores are computed: (...)."""
        ...


@dataclass(frozen=True, slots=True)
class Detections:
    """What a query detects at the default threshold.

    Attributes:
        found: Share of the events of the sound that a segment touches.
        alarms_per_hour: Segments per hour in scenes of other sounds.
    """

    found: float
    alarms_per_hour: float


@dataclass(frozen=True, slots=True, eq=False)
class OtherSounds:
    """Scenes of other sounds, from the sound bank.

    Attributes:
        frames: Frame embeddings, (S, T, D).
        step: One of so many frames of the model is kept.
    """

    frames: Float32
    step: int

    def half(self, odd: bool) -> "OtherSounds":
        """Every second scene."""
        return OtherSounds(self.frames[odd::2], self.step)


def detections(query: Query, scenes: SoundScenes, others: OtherSounds, manifest: Manifest) -> Detections:
    """Measures a query on scenes of its sound and on scenes of other sounds."""
    return Detections(found(query, scenes, manifest), alarms_per_hour(query, others, manifest))


def alarms_per_hour(query: Query, others: OtherSounds, manifest: Manifest) -> float:
    """Segments per hour in scenes without the sound."""
    heard = _heard(query, others.frames, manifest, others.step)
    n_segments = np.count_nonzero(heard[:, 0]) + np.count_nonzero(heard[:, 1:] & ~heard[:, :-1])
    return float(n_segments / (heard.size * others.step * manifest.grid.hop_s / 3600))


def found(query: Query, scenes: SoundScenes, manifest: Manifest) -> float:
    """Share of the events that a segment touches."""
    heard = _heard(query, scenes.frames, manifest, 1)
    touched = [
        bool(curve[start:end].any())
        for curve, active in zip(heard, scenes.active, strict=True)
        for start, end in runs(active)
    ]
    return float(np.mean(touched)) if touched else 0.0


def heard_share(query: Query, scenes: SoundScenes, manifest: Manifest) -> float:
    """Share of the frames with the sound that are in a segment, mean over the recordings."""
    heard = _heard(query, scenes.frames, manifest, 1)
    shares = [
        heard[scenes.recording == number][scenes.active[scenes.recording == number]].mean()
        for number in np.unique(scenes.recording)
        if scenes.active[scenes.recording == number].any()
    ]
    return float(np.mean(shares)) if shares else 0.0


def with_few_alarms(query: LearntQuery, others: OtherSounds, manifest: Manifest) -> LearntQuery:
    """Shifts a query such that about ALARMS_PER_HOUR scenes of other sounds per hour have a segment.

    The peaks of the scenes keep their order under a shift, so only the peak at the accepted rate has to be found. The query is
    shifted until the score of that peak is the default threshold.

    Args:
        query: The query.
        others: Scenes of other sounds.
        manifest: Facts about the model.
    """
    grid = _grid(manifest, others.step)
    evidence = smooth(query.evidence(others.frames), grid, manifest.postprocessing)  # (S, T)
    scene, frame = np.arange(len(evidence)), evidence.argmax(axis=1)
    n_accepted = int(ALARMS_PER_HOUR * evidence.size * grid.hop_s / 3600)
    order = np.argsort(-evidence[scene, frame])
    at_limit = order[min(n_accepted, len(order) - 1)]
    peak = others.frames[at_limit, frame[at_limit]]
    calibration, threshold = manifest.calibration, manifest.postprocessing.threshold
    wanted = (np.log(threshold / (1 - threshold)) - calibration.bias) / calibration.scale
    direction = constant_direction(others.frames)
    low, high = -LARGEST_SHIFT, LARGEST_SHIFT
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if shifted(query, middle, direction).evidence(peak) > wanted:
            high = middle
        else:
            low = middle
    return shifted(query, low, direction)


def _grid(manifest: Manifest, step: int) -> FrameGrid:
    """The grid of frames of which one of `step` is kept."""
    return FrameGrid(manifest.sample_rate_hz, manifest.hop_samples * step)


def _heard(query: Query, frames: Float32, manifest: Manifest, step: int) -> NDArray[np.bool_]:
    """Whether each frame is in a segment: (S, T), from frames (S, T, D)."""
    grid = _grid(manifest, step)
    curves = score_curves(query.evidence(frames), manifest.calibration, grid, manifest.postprocessing)
    return curves.extended > np.float32(manifest.postprocessing.threshold)
