"""How much the frames of a pyramid tower depend on where the windows of a clip begin."""

import numpy as np
import torch

from service.core.cutting import cut_windows
from tests.unit.training.towers.test_pyramid import narrow
from training.towers.pyramid import STEP_FRAMES, PyramidTower


def frames_of(tower: PyramidTower, clip: np.ndarray) -> np.ndarray:
    """The stitched frames (T, D) of a clip, as the service computes them."""
    starts, windows = zip(*cut_windows(clip, tower.window_plan, tower.grid), strict=True)
    with torch.inference_mode():
        embeddings = tower(torch.from_numpy(np.stack(windows))).numpy()
    return tower.window_plan.stitch(embeddings, list(starts), tower.grid.n_frames(len(clip)))


def changing_noise(n_frames: int) -> np.ndarray:
    """Noise whose level and colour change every second: (N,)."""
    rng = np.random.default_rng(0)
    seconds = [rng.standard_normal(16_000) * 10 ** rng.uniform(-3, -0.5) for _ in range(1 + n_frames // 25)]
    filtered = [np.convolve(second, rng.standard_normal(8) / 3, "same") for second in seconds]
    return np.concatenate(filtered)[: n_frames * 640].astype(np.float32)


def test_the_frames_of_a_clip_that_is_shifted_by_half_a_window_are_nearly_the_same() -> None:
    tower, clip = narrow(), changing_noise(768)
    half, edge = tower.window_frames // 2, 2 * STEP_FRAMES
    whole, shifted = frames_of(tower, clip), frames_of(tower, clip[half * 640 :])
    cosine = (whole[half + edge : -edge] * shifted[edge:-edge]).sum(axis=1)
    assert cosine.mean() > 0.99
    assert cosine.min() > 0.9


def test_neighbouring_windows_begin_on_the_same_grid_of_the_coarsest_map() -> None:
    plan = PyramidTower.window_frames - PyramidTower.overlap_frames
    assert plan % STEP_FRAMES == 0
