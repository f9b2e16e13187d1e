"""Calibrates a checkpoint: scale and bias, default threshold, and presence in long clips.

`python -m training.calibrate runs/compact/checkpoint.pt --data FOLDER --out runs/compact/calibration.json`

Every caption is searched for in every scene of `val` recordings. Scale and bias are fitted so that the scores of the service
predict, frame by frame, where the query is heard (Platt scaling). The fit uses all pairs of a scene and a query that is heard
in the scene, and `ABSENT_PER_HEARD` times as many pairs of a scene and a query that is absent from the scene.

The default threshold is the lowest threshold with at most `ALARMS_PER_HOUR` false alarms per hour and query on sparse
recordings: 10 minutes of a real ambience with a sound about every 30 s. On the same recordings, the rule is fitted by which
presence allows for the length of a clip. See `training.evaluation.default_threshold`.

Scale and bias are chosen on tuning scenes, and threshold and rule on sparse tuning recordings. The figures are measured on the
scenes of the benchmark and on the sparse recordings that evaluation reports.

Scale and bias apply to the similarity. A checkpoint with text-dependent sigmoids (`text.own_sigmoid`) already has a scale
and a bias for each query. For such a checkpoint, the fitted scale and bias apply to the logits of the queries and correct
their remaining calibration error. In both cases the threshold is chosen on the scores that a bundle with this calibration
returns.
"""

import argparse
import bisect
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from service.core.curves import score_curves, smooth
from service.core.errors import EarmarkError
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.scoring import Calibration
from service.core.segments import find_segments
from training import seeds
from training.evaluation.benchmark import PASSES, Benchmark, load_benchmark, validation_queries
from training.evaluation.default_threshold import FALSE_PRESENCE, choose_default, measure
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, CheckpointLocalizer
from training.evaluation.metrics import expected_calibration_error
from training.evaluation.scene_set import resampled
from training.evaluation.sparse_recordings import sparse_set

ABSENT_PER_HEARD = 8
"""Absent queries in the fit for each heard query. 1 makes heard and absent queries equally frequent; about 33 are all."""
AUDIBLE_DB = 6.0
COMPARED_FALSE_PRESENCE = 0.05
"""False presence at which models are compared, whatever their thresholds."""
ScenePair = tuple[Benchmark, Benchmark]
SparsePair = tuple[EvaluationSet, EvaluationSet]
THRESHOLDS = np.round(np.arange(0.10, 0.96, 0.01), 2)
INITIAL_SCALE, INITIAL_BIAS = 10.0, -5.0
"""Start of the fit. With text-dependent sigmoids, the fit starts at a scale of 1, because their logits are scaled already."""


@dataclass(frozen=True, slots=True)
class SceneEvidence:
    """Evidence of Q queries in S scenes, and where the queries are heard.

    Attributes:
        evidence: Evidence after the median filter, shape (S, Q, T); see `EncodedQueries.evidence`. The filter is applied
            once before the fit, instead of after each trial sigmoid, because a median commutes with a monotone function.
        truth: Frames in which the query is heard, shape (S, Q, T).
        audible: Queries heard at `AUDIBLE_DB` over the background or louder, shape (S, Q).
        absent: Queries that are not heard in the scene, shape (S, Q).
    """

    evidence: NDArray[np.float32]
    truth: NDArray[np.bool_]
    audible: NDArray[np.bool_]
    absent: NDArray[np.bool_]


def measure_evidence(
    localizer: CheckpointLocalizer, benchmark: Benchmark, queries: Sequence[Sequence[str]]
) -> SceneEvidence:
    """Computes the evidence of every caption of every label, (L, PASSES) texts, in every scene."""
    captions = [caption for label_captions in queries for caption in label_captions]
    labels, grid = list(benchmark.labels), localizer.grid
    edges_s = grid.edges(grid.n_frames(grid.samples_for(benchmark.scene_s)), benchmark.scene_s)
    evidence, truth, audible, absent = [], [], [], []
    for scene in benchmark.scenes:
        waveform = resampled(scene.waveform, benchmark.sample_rate_hz, grid.sample_rate_hz)
        evidence.append(smooth(localizer.evidence(waveform, captions), grid, localizer.postprocessing))
        truth.append(np.repeat(scene.truth(labels, edges_s), PASSES, axis=0))
        audible.append(np.repeat([label in scene.event_labels(AUDIBLE_DB) for label in labels], PASSES))
        absent.append(np.repeat([label not in scene.event_labels() for label in labels], PASSES))
    return SceneEvidence(*map(np.stack, (evidence, truth, audible, absent)))


def choose_pairs(scenes: SceneEvidence, absent_per_heard: int) -> NDArray[np.bool_]:
    """Selects pairs of a scene and a query, shape (S, Q).

    All pairs whose query is heard are selected, and `absent_per_heard` times as many random pairs whose query is absent.
    """
    rng = np.random.default_rng(seeds.CALIBRATION_PAIRS)
    chosen = ~scenes.absent
    absent = np.flatnonzero(scenes.absent)
    count = min(len(absent), absent_per_heard * int(chosen.sum()))
    chosen.reshape(-1)[rng.choice(absent, size=count, replace=False)] = True
    return chosen


def served_scores(
    evidence: NDArray[np.float32], calibration: Calibration, grid: FrameGrid, postprocessing: Postprocessing
) -> NDArray[np.float32]:
    """Computes the score curves that the service would return from evidence of shape (..., T).

    The median filter is left out, because `SceneEvidence` is filtered already.
    """
    rows = evidence.reshape(-1, evidence.shape[-1])
    curves = score_curves(rows, calibration, grid, replace(postprocessing, median_filter_s=0.0))
    return curves.extended.reshape(evidence.shape)


def fit_sigmoid(
    evidence: NDArray[np.float32],
    truth: NDArray[np.bool_],
    grid: FrameGrid,
    postprocessing: Postprocessing,
    initial_scale: float = INITIAL_SCALE,
) -> Calibration:
    """Fits scale and bias to the truth (Platt scaling) by minimizing the cross-entropy of the served scores.

    Args:
        evidence: Curves after the median filter, shape (P, T).
        truth: Frames in which the query is heard, shape (P, T).
        grid: The frames of the curves.
        postprocessing: How the scores are extended.
        initial_scale: Scale at which the search starts.

    Raises:
        ValueError: The search does not converge.
    """

    def loss(parameters: NDArray[np.float64]) -> float:
        score = served_scores(evidence, Calibration(*parameters), grid, postprocessing).clip(1e-6, 1 - 1e-6)
        return -float(np.mean(np.where(truth, np.log(score), np.log1p(-score))))

    start, options = np.array([initial_scale, INITIAL_BIAS]), {"xatol": 0.01, "fatol": 1e-6}
    result: OptimizeResult = minimize(loss, start, method="Nelder-Mead", options=options)
    if not result.success:
        raise ValueError(f"the fit of scale and bias does not converge: {result.message}")
    return Calibration(float(result.x[0]), float(result.x[1]))


def presence(score: NDArray[np.float32], grid: FrameGrid, postprocessing: Postprocessing) -> NDArray[np.bool_]:
    """Whether the service would return a segment for each query in each scene, (S, Q), from curves (S, Q, T)."""
    duration_s = grid.duration_s(grid.n_samples(score.shape[2]))
    segments = [[find_segments(c, c, grid, duration_s, postprocessing) for c in scene] for scene in score]
    return np.array([[len(of_query) > 0 for of_query in scene] for scene in segments])


def threshold_of_false_presence(
    score: NDArray[np.float32], absent: NDArray[np.bool_], grid: FrameGrid, postprocessing: Postprocessing
) -> Postprocessing:
    """Returns the post-processing with the lowest threshold that keeps false presence at `FALSE_PRESENCE` or below.

    At this threshold, the presence of heard sounds is measured, because models can be compared only at the same rate of
    false presence. It is not the default threshold.

    Args:
        score: Curves, shape (S, Q, T).
        absent: Queries that are not heard, shape (S, Q).
        grid: The frames of the curves.
        postprocessing: All settings but the threshold.

    Raises:
        ValueError: No threshold keeps false presence that low.
    """

    def is_enough(threshold: float) -> bool:  # monotone: a higher threshold never adds a segment
        present = presence(score, grid, postprocessing.override(threshold=float(threshold)))
        return bool(present[absent].mean() <= FALSE_PRESENCE)

    lowest = bisect.bisect_left(THRESHOLDS, True, key=is_enough)
    if lowest == len(THRESHOLDS):
        raise ValueError(
            f"more than {FALSE_PRESENCE:.2%} of absent sounds have a segment at every threshold up to {THRESHOLDS[-1]:g}"
        )
    return postprocessing.override(threshold=float(THRESHOLDS[lowest]))


def calibrate(localizer: CheckpointLocalizer, scenes: ScenePair, sparse: SparsePair) -> dict[str, object]:
    """Chooses scale, bias, threshold and the presence rule on the tuning sets, and measures figures on the reported sets.

    Args:
        localizer: The checkpoint. Its calibration, post-processing and presence rule are replaced by the chosen ones.
        scenes: The reported scenes and the tuning scenes.
        sparse: The reported and the tuning sparse recordings.

    Returns:
        The calibration as `model_export` reads it: `scale`, `bias`, `postprocessing`, `presence`, and the figures,
        `measured`.
    """
    (benchmark, tuning_scenes), (sparse_reported, sparse_tuning) = scenes, sparse
    grid, uncalibrated = localizer.grid, localizer.postprocessing
    tuning = measure_evidence(localizer, tuning_scenes, validation_queries(tuning_scenes.labels))
    chosen = choose_pairs(tuning, ABSENT_PER_HEARD)
    initial_scale = 1.0 if localizer.model.own_sigmoid else INITIAL_SCALE
    calibration = fit_sigmoid(tuning.evidence[chosen], tuning.truth[chosen], grid, uncalibrated, initial_scale)
    tuning_score = served_scores(tuning.evidence, calibration, grid, uncalibrated)
    at_false_presence = threshold_of_false_presence(tuning_score, tuning.absent, grid, uncalibrated)

    localizer.calibration = calibration
    choice = choose_default(localizer, sparse_tuning, uncalibrated)
    localizer.postprocessing, localizer.presence = choice.postprocessing, choice.presence
    reported = measure_evidence(localizer, benchmark, validation_queries(benchmark.labels))
    return {
        **asdict(calibration),
        "postprocessing": asdict(choice.postprocessing),
        "presence": asdict(choice.presence) if choice.presence else None,
        "measured": {
            **figures_on_scenes(reported, calibration, grid, at_false_presence),
            "sparse_recordings": measure(localizer, sparse_reported),
        },
    }


def figures_on_scenes(
    scenes: SceneEvidence, calibration: Calibration, grid: FrameGrid, at_false_presence: Postprocessing
) -> dict[str, float]:
    """Calibration errors, and the presence of audible sounds.

    Presence is measured at the threshold with a false presence of `FALSE_PRESENCE` on the tuning scenes; and by the highest
    score of each query in each scene, at the score that a share of `COMPARED_FALSE_PRESENCE` of the absent queries exceeds.
    """
    score = served_scores(scenes.evidence, calibration, grid, at_false_presence)
    present = presence(score, grid, at_false_presence)
    highest = score.max(axis=2)  # (S, Q)
    exceeded = np.quantile(highest[scenes.absent], 1 - COMPARED_FALSE_PRESENCE)
    balanced = choose_pairs(scenes, 1)
    return {
        "expected_calibration_error_balanced": expected_calibration_error(
            score[balanced].ravel(), scenes.truth[balanced].ravel()
        ),
        "expected_calibration_error_all_pairs": expected_calibration_error(score.ravel(), scenes.truth.ravel()),
        "threshold_of_false_presence": at_false_presence.threshold,
        "false_presence": float(present[scenes.absent].mean()),
        "presence_at_6_db": float(present[scenes.audible].mean()),
        "threshold_at_5_percent": float(exceeded),
        "presence_at_6_db_at_5_percent": float((highest[scenes.audible] > exceeded).mean()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.calibrate", description="Calibrate a checkpoint.")
    parser.add_argument("checkpoint", type=Path, help="checkpoint of training.train")
    parser.add_argument("--data", type=Path, required=True, help="folder of a CSV pack with a val split")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="file to write the calibration to, for model_export; its folder is created",
    )
    parser.add_argument(
        "--median-filter-s",
        type=float,
        default=MEDIAN_FILTER_S,
        help="width of the median filter over the scores, in seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--extent-ratio",
        type=float,
        default=EXTENT_RATIO,
        help="extent ratio of the score curves (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        localizer = CheckpointLocalizer.load(options.checkpoint, options.median_filter_s, options.extent_ratio)
        scenes = load_benchmark(options.data), load_benchmark(options.data, seeds.CALIBRATION)
        sparse = sparse_set(options.data, "reported"), sparse_set(options.data, "tuning")
        result = json.dumps(calibrate(localizer, scenes, sparse), indent=2)
        print(result)
        options.out.write_text(result + "\n")
    except (ValueError, OSError, EarmarkError) as error:
        sys.exit(f"{options.checkpoint} cannot be calibrated: {error}")


if __name__ == "__main__":
    main()
