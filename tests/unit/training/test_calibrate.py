from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from service.core.curves import score_curves
from service.core.frame_grid import FrameGrid
from service.core.scoring import Calibration
from training.calibrate import (
    SceneEvidence,
    choose_pairs,
    fit_sigmoid,
    main,
    presence,
    threshold_of_false_presence,
)
from training.evaluation.default_threshold import FALSE_PRESENCE
from training.evaluation.localizers import postprocessing_at

GRID = FrameGrid(16_000, 640)
SETTINGS = postprocessing_at(0.5, median_filter_s=0.36, extent_ratio=0.5)


def test_the_fit_recovers_the_sigmoid_that_made_the_truth() -> None:
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-0.5, 1, (200, 250)).astype(np.float32)
    truth = rng.random(similarity.shape) < expit(12 * similarity - 5)
    fitted = fit_sigmoid(similarity, truth, GRID, replace(SETTINGS, extent_ratio=1.0))
    assert (fitted.scale, fitted.bias) == pytest.approx((12, -5), rel=0.05)


def test_the_extended_curve_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-0.5, 1, (200, 250)).astype(np.float32)
    unfiltered = replace(SETTINGS, median_filter_s=0.0)
    extended = score_curves(similarity, Calibration(12, -5), GRID, unfiltered).extended
    fitted = fit_sigmoid(similarity, rng.random(similarity.shape) < extended, GRID, SETTINGS)
    assert (fitted.scale, fitted.bias) == pytest.approx((12, -5), rel=0.05)


def make_scenes(n_scenes: int) -> SceneEvidence:
    """Scenes with one query, which is heard loudly in every fifth scene; similarities of heard and absent overlap."""
    rng = np.random.default_rng(1)
    heard = np.arange(n_scenes)[:, None] % 5 == 0
    level = rng.uniform(0, 0.8, (n_scenes, 1)) + 0.2 * heard
    similarity = np.repeat(level[:, :, None], 50, axis=2).astype(np.float32)
    return SceneEvidence(similarity, np.repeat(heard[:, :, None], 50, axis=2), heard, ~heard)


def test_the_lowest_threshold_with_accepted_false_presence_is_chosen() -> None:
    scenes = make_scenes(500)
    settings = threshold_of_false_presence(scenes.evidence, scenes.absent, GRID, SETTINGS)
    assert (settings.threshold_off, settings.extent_ratio) == (settings.threshold, 0.5)

    def false_presence(threshold: float) -> float:
        present = presence(scenes.evidence, GRID, settings.override(threshold=threshold))
        return float(present[scenes.absent].mean())

    assert false_presence(settings.threshold) <= FALSE_PRESENCE < false_presence(settings.threshold - 0.01)


def test_all_pairs_with_a_heard_query_are_chosen_and_some_with_an_absent_query() -> None:
    scenes = make_scenes(500)
    chosen = choose_pairs(scenes, absent_per_heard=2)
    assert chosen[~scenes.absent].all()
    assert int(chosen.sum()) == 300


def test_a_file_that_is_not_a_checkpoint_is_refused_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_text("weights")
    out = tmp_path / "new" / "calibration.json"
    with pytest.raises(SystemExit, match=r"checkpoint.pt is no checkpoint of training.train \(UnpicklingError\)"):
        main([str(tmp_path / "checkpoint.pt"), "--data", str(tmp_path), "--out", str(out)])
    assert out.parent.is_dir()  # created before the long calibration, whose result could not be written otherwise
