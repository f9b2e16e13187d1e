"""Figures of merit, scored with sed_scores_eval: what is computed, with which parameters."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sed_scores_eval import intersection_based, segment_based
from sed_scores_eval.base_modules.scores import create_score_dataframe

from service.core.frame_grid import FrameGrid
from training.evaluation.benchmark import Benchmark, BenchmarkScene

PSDS1 = {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "cttc_threshold": None, "alpha_ct": 0.0, "max_efpr": 100.0}
SEGMENT_S = 1.0
MAX_FPR = 0.1
CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True)
class Figures:
    """One pass over the benchmark.

    Attributes:
        psds1_macro: PSDS1 with alpha_st 0, the mean of the single-class values.
        psds1: PSDS1 with alpha_st 1.
        partial_auroc: over 1 s segments, up to a false positive rate of 0.1, divided by 0.1; mean of the labels.
        psds1_by_label: the single-class PSDS1.
        partial_auroc_by_label: the single-class partial AUROC.
    """

    psds1_macro: float
    psds1: float
    partial_auroc: float
    psds1_by_label: dict[str, float]
    partial_auroc_by_label: dict[str, float]


def score_benchmark(curves: Sequence[NDArray[np.float32]], benchmark: Benchmark, grid: FrameGrid) -> Figures:
    """Scores the curves, one (labels, T) a scene, of the labels that are asked for.

    Raises:
        ValueError: there is not one array of curves a scene.
    """
    if len(curves) != len(benchmark.scenes):
        raise ValueError(f"{len(curves)} arrays of curves for {len(benchmark.scenes)} scenes; one each is needed")
    edges = grid.edges(curves[0].shape[1], benchmark.scene_s)
    labels = list(benchmark.labels)
    scores: dict[str, pd.DataFrame] = {
        scene.name: create_score_dataframe(scene_curves.T.astype(np.float64), edges, labels)
        for scene, scene_curves in zip(benchmark.scenes, curves, strict=True)
    }
    truth = {
        scene.name: [(e.onset_s, e.offset_s, e.label) for e in scene.events if e.label in labels]
        for scene in benchmark.scenes
    }
    durations = {scene.name: benchmark.scene_s for scene in benchmark.scenes}
    psds1: Any
    by_label: Any
    auroc: Any
    jobs = os.cpu_count() or 1
    psds1, by_label, _, _ = intersection_based.psds(scores, truth, durations, alpha_st=1.0, num_jobs=jobs, **PSDS1)
    auroc, _ = segment_based.auroc(scores, truth, durations, segment_length=SEGMENT_S, max_fpr=MAX_FPR, num_jobs=jobs)
    return Figures(
        psds1_macro=float(np.mean([by_label[label] for label in labels])),
        psds1=float(psds1),
        partial_auroc=float(auroc["mean"]),
        psds1_by_label={label: float(by_label[label]) for label in labels},
        partial_auroc_by_label={label: float(auroc[label]) for label in labels},
    )


def expected_calibration_error(score: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """Mean distance of score and frequency over 15 equal bins, weighted by their size (arXiv 1706.04599).

    >>> expected_calibration_error(np.array([0.25, 0.25, 0.25, 0.25], np.float32), np.array([1, 0, 0, 0], bool))
    0.0
    """
    bins = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    sums = np.bincount(bins, weights=score, minlength=CALIBRATION_BINS)
    hits = np.bincount(bins, weights=truth, minlength=CALIBRATION_BINS)
    return float(np.abs(sums - hits).sum() / counts.sum())


def truth_frames(scene: BenchmarkScene, labels: Sequence[str], n_frames: int, hop_s: float) -> NDArray[np.bool_]:
    """Frames whose centre lies in an event of the label: (labels, T)."""
    centres = (np.arange(n_frames) + 0.5) * hop_s
    truth = np.zeros((len(labels), n_frames), dtype=bool)
    for event in scene.events:
        if event.label in labels:
            truth[labels.index(event.label)] |= (centres >= event.onset_s) & (centres < event.offset_s)
    return truth
