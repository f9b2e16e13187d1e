"""Calibrates a checkpoint on the `val` recordings: scale, bias and default threshold.

`python -m training.calibrate runs/compact/checkpoint.pt --data FOLDER --out runs/compact/calibration.json`

Scale and bias are those with which the scores, as the service gives them back, predict best what is heard in every frame
(Platt), asked for the captions of the labels that its scene holds and of `ABSENT_PER_HEARD` times as many that it does not.
The default threshold is the lowest at which a scene is said to hold an absent sound in at most `FALSE_PRESENCE` of all cases.
Both are chosen on scenes of their own, and what they reach is measured on the benchmark's.
"""

import argparse
import bisect
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from service.core import scoring
from service.core.errors import EarmarkError
from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from training import seeds
from training.evaluation.benchmark import PASSES, Benchmark, load_benchmark, validation_queries
from training.evaluation.evaluation_set import resampled
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, CheckpointLocalizer
from training.evaluation.metrics import expected_calibration_error, is_present

ABSENT_PER_HEARD = 4
"""Between as many (a query is as likely heard as not) and all (33 times: somebody asks for everything)."""
FALSE_PRESENCE = 0.0475
AUDIBLE_DB = 6.0
THRESHOLDS = np.round(np.arange(0.10, 0.96, 0.01), 2)


@dataclass(frozen=True, slots=True)
class AskedScenes:
    """Median-filtered similarities (S, Q, T) of all queries with all scenes, their truth by frame (S, Q, T), and by scene.

    `audible` (S, Q) marks queries heard at 6 dB or more, `absent` (S, Q) those not heard at all.
    """

    similarity: NDArray[np.float32]
    truth: NDArray[np.bool_]
    audible: NDArray[np.bool_]
    absent: NDArray[np.bool_]


def ask(localizer: CheckpointLocalizer, benchmark: Benchmark, queries: Sequence[Sequence[str]]) -> AskedScenes:
    """Asks for every caption of every label in every scene."""
    embeddings = localizer.embed_queries([caption for captions in queries for caption in captions])
    labels = list(benchmark.labels)
    width_frames = localizer.grid.odd_frames_for(localizer.postprocessing.median_filter_s)
    edges_s = localizer.grid.edges(
        localizer.grid.n_frames(localizer.grid.samples_for(benchmark.scene_s)), benchmark.scene_s
    )
    similarity, truth, audible, absent = [], [], [], []
    for scene in benchmark.scenes:
        waveform = resampled(scene.waveform, benchmark.sample_rate_hz, localizer.grid.sample_rate_hz)
        raw = scoring.similarity(localizer.embed(waveform), embeddings)
        similarity.append(scoring.median_filter(raw, width_frames))
        truth.append(np.repeat(scene.truth(labels, edges_s), PASSES, axis=0))
        audible.append(np.repeat([label in scene.labels(AUDIBLE_DB) for label in labels], PASSES))
        absent.append(np.repeat([label not in scene.labels() for label in labels], PASSES))
    return AskedScenes(*map(np.stack, (similarity, truth, audible, absent)))


def choose_pairs(asked: AskedScenes, absent_per_heard: int) -> NDArray[np.bool_]:
    """All (scene, query) pairs that are heard, and so many times as many, drawn at random, that are not: (S, Q)."""
    rng = np.random.default_rng(seeds.CALIBRATION_PAIRS)
    chosen = ~asked.absent
    absent = np.flatnonzero(asked.absent)
    count = min(len(absent), absent_per_heard * int(chosen.sum()))
    chosen.reshape(-1)[rng.choice(absent, size=count, replace=False)] = True
    return chosen


def fit_sigmoid(similarity: NDArray[np.float32], truth: NDArray[np.bool_], extent_ratio: float) -> tuple[float, float]:
    """Scale and bias with which the extended scores of curves (P, T) predict the truth best (Platt): the least cross-entropy."""

    def loss(parameters: NDArray[np.float64]) -> float:
        score = scoring.extend(scoring.score(similarity, *parameters), extent_ratio).clip(1e-6, 1 - 1e-6)
        return -float(np.mean(np.where(truth, np.log(score), np.log1p(-score))))

    found: OptimizeResult = minimize(
        loss, np.array([10.0, -5.0]), method="Nelder-Mead", options={"xatol": 0.01, "fatol": 1e-6}
    )
    if not found.success:
        raise ValueError(f"no scale and bias fit: {found.message}")
    return float(found.x[0]), float(found.x[1])


def extended_score(asked: AskedScenes, scale: float, bias: float, extent_ratio: float) -> NDArray[np.float32]:
    """The curves that the service would give back: (S, Q, T)."""
    score = scoring.score(asked.similarity, scale, bias)
    return scoring.extend(score.reshape(-1, score.shape[2]), extent_ratio).reshape(score.shape)


def presence(score: NDArray[np.float32], grid: FrameGrid, settings: Postprocessing) -> NDArray[np.bool_]:
    """Whether the service would say that each query is heard in each scene, from curves (S, Q, T): (S, Q)."""
    duration_s = grid.duration_s(grid.n_samples(score.shape[2]))
    return np.array([[is_present(curve, grid, duration_s, settings) for curve in scene] for scene in score])


def choose_threshold(
    score: NDArray[np.float32], absent: NDArray[np.bool_], grid: FrameGrid, settings: Postprocessing
) -> Postprocessing:
    """The settings with the lowest threshold that keeps false presence down.

    Args:
        score: Curves, (S, Q, T).
        absent: What is not heard, (S, Q).
        grid: The frames of the curves.
        settings: All but the threshold.

    Raises:
        ValueError: no threshold does.
    """

    def enough(threshold: float) -> bool:  # a higher threshold never finds more
        found = presence(score, grid, settings.override(threshold=float(threshold)))
        return bool(found[absent].mean() <= FALSE_PRESENCE)

    lowest = bisect.bisect_left(THRESHOLDS, True, key=enough)
    if lowest == len(THRESHOLDS):
        raise ValueError(
            f"above every threshold more than {FALSE_PRESENCE:.0%} of absent sounds are said to be present"
        )
    return settings.override(threshold=float(THRESHOLDS[lowest]))


def calibrate(localizer: CheckpointLocalizer, benchmark: Benchmark, own_scenes: Benchmark) -> dict[str, object]:
    """The calibration, chosen on `own_scenes`, and what it reaches on the benchmark."""
    grid, extent_ratio = localizer.grid, localizer.postprocessing.extent_ratio
    own = ask(localizer, own_scenes, validation_queries(own_scenes.labels))
    chosen = choose_pairs(own, ABSENT_PER_HEARD)
    scale, bias = fit_sigmoid(own.similarity[chosen], own.truth[chosen], extent_ratio)
    own_score = extended_score(own, scale, bias, extent_ratio)
    settings = choose_threshold(own_score, own.absent, grid, localizer.postprocessing)
    asked = ask(localizer, benchmark, validation_queries(benchmark.labels))
    score = extended_score(asked, scale, bias, extent_ratio)
    present = presence(score, grid, settings)
    balanced = choose_pairs(asked, 1)
    return {
        "scale": scale,
        "bias": bias,
        "postprocessing": {name: getattr(settings, name) for name in Postprocessing.__slots__},
        "measured": {
            "expected_calibration_error_balanced": expected_calibration_error(
                score[balanced].ravel(), asked.truth[balanced].ravel()
            ),
            "expected_calibration_error_all_pairs": expected_calibration_error(score.ravel(), asked.truth.ravel()),
            "false_presence": float(present[asked.absent].mean()),
            "presence_at_6_db": float(present[asked.audible].mean()),
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.calibrate", description="Calibrate a checkpoint.")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of training.train")
    parser.add_argument("--data", type=Path, required=True, help="folder of a CSV pack with a val split")
    parser.add_argument(
        "--out", type=Path, required=True, help="file of the calibration, for model_export; its folder is made"
    )
    parser.add_argument(
        "--median-filter-s",
        type=float,
        default=MEDIAN_FILTER_S,
        help="smoothing of the curves; %(default)s s if not given",
    )
    parser.add_argument(
        "--extent-ratio",
        type=float,
        default=EXTENT_RATIO,
        help="extent of sounds in the curves; %(default)s if not given",
    )
    options = parser.parse_args(arguments)
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        localizer = CheckpointLocalizer.load(options.checkpoint, options.median_filter_s, options.extent_ratio)
        benchmark, own_scenes = load_benchmark(options.data), load_benchmark(options.data, seeds.CALIBRATION)
        result = json.dumps(calibrate(localizer, benchmark, own_scenes), indent=2)
        print(result)
        options.out.write_text(result + "\n")
    except (ValueError, OSError, EarmarkError) as error:
        sys.exit(f"{options.checkpoint} cannot be calibrated: {error}")


if __name__ == "__main__":
    main()
