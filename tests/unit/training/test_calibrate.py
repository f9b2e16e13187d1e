from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from service.core import scoring
from service.core.frame_grid import FrameGrid
from training.calibrate import FALSE_PRESENCE, AskedScenes, choose_pairs, choose_threshold, fit_sigmoid, main, presence
from training.evaluation.localizers import postprocessing_at

GRID = FrameGrid(16_000, 640)
SETTINGS = postprocessing_at(0.5, median_filter_s=0.36, extent_ratio=0.5)


def test_the_sigmoid_that_made_the_truth_is_found() -> None:
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-0.5, 1, (200, 250)).astype(np.float32)
    truth = rng.random(similarity.shape) < expit(12 * similarity - 5)
    assert fit_sigmoid(similarity, truth, extent_ratio=1.0) == pytest.approx((12, -5), rel=0.05)


def test_an_extended_curve_is_calibrated_as_it_is_given_back() -> None:
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-0.5, 1, (200, 250)).astype(np.float32)
    extended = scoring.extend(scoring.score(similarity, 12, -5), 0.5)
    assert fit_sigmoid(similarity, rng.random(similarity.shape) < extended, 0.5) == pytest.approx((12, -5), rel=0.05)


def asked(n_scenes: int) -> AskedScenes:
    """Scenes with one query that is heard loudly in every fifth, at similarities that overlap."""
    rng = np.random.default_rng(1)
    heard = np.arange(n_scenes)[:, None] % 5 == 0
    level = rng.uniform(0, 0.8, (n_scenes, 1)) + 0.2 * heard
    similarity = np.repeat(level[:, :, None], 50, axis=2).astype(np.float32)
    return AskedScenes(similarity, np.repeat(heard[:, :, None], 50, axis=2), heard, ~heard)


def test_the_threshold_is_the_lowest_that_keeps_false_presence_down() -> None:
    scenes = asked(500)
    settings = choose_threshold(scenes.similarity, scenes.absent, GRID, SETTINGS)
    assert (settings.threshold_off, settings.extent_ratio) == (settings.threshold, 0.5)

    def false_presence(threshold: float) -> float:
        found = presence(scenes.similarity, GRID, settings.override(threshold=threshold))
        return float(found[scenes.absent].mean())

    assert false_presence(settings.threshold) <= FALSE_PRESENCE < false_presence(settings.threshold - 0.01)


def test_pairs_are_all_that_are_heard_and_some_that_are_not() -> None:
    scenes = asked(500)
    chosen = choose_pairs(scenes, absent_per_heard=2)
    assert chosen[~scenes.absent].all()
    assert int(chosen.sum()) == 300


def test_a_file_that_is_no_checkpoint_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_text("weights")
    out = tmp_path / "new" / "calibration.json"
    with pytest.raises(SystemExit, match=r"checkpoint.pt is no checkpoint of training.train \(UnpicklingError\)"):
        main([str(tmp_path / "checkpoint.pt"), "--data", str(tmp_path), "--out", str(out)])
    assert out.parent.is_dir()  # before hours are spent on what could not be written
