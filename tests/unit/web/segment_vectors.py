"""Test vectors of the steps from score curves to segments, which service.core computes: inputs and expected results."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.curves import score_curves
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.presence import PresenceRule, is_present
from service.core.scoring import UNCALIBRATED

GRIDS = (FrameGrid(16_000, 640), FrameGrid(32_000, 640), FrameGrid(22_050, 441), FrameGrid(16_000, 160))
RULE = PresenceRule(from_s=0.5, logits_per_doubling=0.8)
_MAX_GRID_POSITIONS = 40


def vectors(seed: int, number: int) -> list[dict[str, Any]]:
    """Random vectors: smooth curves, noise, steps, plateaus on the threshold, and curves of one frame."""
    rng = np.random.default_rng(seed)
    return [_vector(rng) for _ in range(number)]


def _vector(rng: np.random.Generator) -> dict[str, Any]:
    grid = GRIDS[rng.integers(len(GRIDS))]
    raw = _curve(rng, int(rng.choice([1, 2, 3, 7, 50, 400])))
    duration_s = (len(raw) - float(rng.choice([0, 0.25, 0.999]))) * grid.hop_s
    postprocessing = _postprocessing(rng, raw, grid)
    curves = score_curves(_logits(raw), UNCALIBRATED, grid, postprocessing)
    scored = score_curves(_logits(raw), UNCALIBRATED, grid, Postprocessing(0.5, 0.5, 0, 1, 0, 0)).smoothed[0]
    segments = curves.segments(0, duration_s)
    return {
        "raw": scored.tolist(),
        "sampleRate": grid.sample_rate_hz,
        "hopSamples": grid.hop_samples,
        "durationS": duration_s,
        "settings": {name: getattr(postprocessing, name) for name in Postprocessing.__dataclass_fields__},
        "smoothed": curves.smoothed[0].tolist(),
        "extended": curves.extended[0].tolist(),
        "segments": [[each.onset_s, each.offset_s, each.score, each.peak_s] for each in segments],
        "rule": {"from_s": RULE.from_s, "logits_per_doubling": RULE.logits_per_doubling},
        "present": is_present(segments, postprocessing.threshold, duration_s, RULE),
    }


def _curve(rng: np.random.Generator, n_frames: int) -> NDArray[np.float32]:
    kind = rng.integers(4)
    if kind == 0:
        curve = rng.random(n_frames)
    elif kind == 1:
        curve = 0.5 + 0.5 * np.sin(np.arange(n_frames) * rng.uniform(0.02, 0.6) + rng.uniform(0, 6))
    elif kind == 2:
        curve = rng.integers(0, 4, n_frames) / 4 + 0.1
    else:
        curve = np.repeat(rng.random(-(-n_frames // 9)), 9)[:n_frames]
    return np.clip(curve, 0.001, 0.999).astype(np.float32)


def _logits(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(scores / (1 - scores)).astype(np.float32)[None]  # (1, T)


def _postprocessing(rng: np.random.Generator, raw: NDArray[np.float32], grid: FrameGrid) -> Postprocessing:
    threshold = float(rng.choice([0.0, 0.2, 0.35, 0.5, 0.85, 1.0, float(rng.choice(raw)), float(rng.random())]))
    # some durations are whole or half frames, where rounding decides
    steps = rng.integers(0, _MAX_GRID_POSITIONS, 3) * grid.hop_s / 2
    return Postprocessing(
        threshold=threshold,
        threshold_off=threshold * float(rng.choice([1, 0.5, 0.9])),
        median_filter_s=float(rng.choice([0, min(steps[0], 5), rng.uniform(0, 1)])),
        extent_ratio=float(rng.choice([1, 0.4, rng.uniform(0.1, 1)])),
        min_duration_s=float(rng.choice([0, steps[1], rng.uniform(0, 0.5)])),
        merge_gap_s=float(rng.choice([0, steps[2], rng.uniform(0, 0.5)])),
        extent_scale=("score", "odds")[rng.integers(2)],
        core_s=float(rng.choice([0, rng.uniform(0, 0.5)])),
        short_extent_ratio=float(rng.choice([1, rng.uniform(0.1, 1)])),
    )
