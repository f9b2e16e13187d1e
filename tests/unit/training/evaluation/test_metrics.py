import numpy as np
import pytest

from service.core.frame_grid import FrameGrid
from training.evaluation.benchmark import Benchmark, BenchmarkScene, TrueEvent
from training.evaluation.metrics import expected_calibration_error, score_benchmark, truth_frames

GRID = FrameGrid(16_000, 640)
SCENES = Benchmark(
    scenes=(
        BenchmarkScene(
            "a", np.zeros(0, np.float32), (TrueEvent("dog", 1.0, 2.0, 10.0), TrueEvent("cat", 4.0, 6.0, 3.0))
        ),
        BenchmarkScene("b", np.zeros(0, np.float32), (TrueEvent("dog", 0.0, 4.0, 0.0),)),
    ),
    labels=("cat", "dog"),
    sample_rate_hz=16_000,
    scene_s=10.0,
)


def truth_curves() -> list[np.ndarray]:
    return [truth_frames(scene, SCENES.labels, 250, GRID.hop_s).astype(np.float32) for scene in SCENES.scenes]


def test_the_truth_scores_one() -> None:
    figures = score_benchmark(truth_curves(), SCENES, GRID)
    assert figures.psds1_macro == pytest.approx(1.0)
    assert figures.psds1 == pytest.approx(1.0)
    assert figures.partial_auroc == pytest.approx(1.0)


def test_a_label_that_is_never_found_halves_the_macro_figure() -> None:
    curves = truth_curves()
    for curve in curves:
        curve[0] = 0.0
    figures = score_benchmark(curves, SCENES, GRID)
    assert figures.psds1_macro == pytest.approx(0.5)
    assert figures.psds1_by_label == {"cat": pytest.approx(0.0), "dog": pytest.approx(1.0)}
    assert figures.psds1 == pytest.approx(0.0)  # mean 0.5 less the spread 0.5


def test_detections_that_cover_too_little_do_not_count() -> None:
    curves = truth_curves()
    curves[0][0] = 0.0
    curves[0][0, 100:130] = 1.0  # 1.2 s of the cat's 2 s: less than 70 %
    assert score_benchmark(curves, SCENES, GRID).psds1_by_label["cat"] == 0.0
    curves[0][0, 100:140] = 1.0  # 1.6 s
    assert score_benchmark(curves, SCENES, GRID).psds1_by_label["cat"] == pytest.approx(1.0)


def test_curves_and_scenes_must_match() -> None:
    with pytest.raises(ValueError, match="1 arrays of curves for 2 scenes"):
        score_benchmark(truth_curves()[:1], SCENES, GRID)


def test_calibration_error_by_hand() -> None:
    score = np.array([0.9, 0.9, 0.1, 0.1], dtype=np.float32)
    truth = np.array([True, False, False, False])
    assert expected_calibration_error(score, truth) == pytest.approx((2 * 0.4 + 2 * 0.1) / 4, abs=1e-6)
