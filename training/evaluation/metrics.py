"""The localization figures and their parameters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_closing

from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.presence import PresenceRule, is_present
from service.core.segments import find_segments
from training.evaluation.count_changes import (
    CountChanges,
    collar_criterion,
    count_changes,
    intersection_criterion,
    slice_count_changes,
    slice_scores,
)
from training.evaluation.curves import (
    F1_THRESHOLDS,
    Areas,
    FScores,
    f_scores,
    f_scores_by_threshold,
    partial_auroc,
    psds,
    score_floors,
)
from training.evaluation.scored_queries import ScoredQueries

MAX_FP_PER_HOUR = 100.0
"""Largest effective false positive rate of PSDS1 and PSDS2 (e_max), per hour of audio."""
PSDS1 = intersection_criterion(dtc=0.7, gtc=0.7)
PSDS2 = intersection_criterion(dtc=0.1, gtc=0.1, cttc=0.3)
PSDS2_ALPHA_CT = 0.5
"""Cost of cross triggers in PSDS2; PSDS1 has none."""
SLICE_S = 1.0
"""Length of the time slices of segment-based figures (partial AUROC and segment error rate), in seconds."""
MAX_FPR = 0.1
"""Largest false positive rate of the partial AUROC."""
GROUNDING = intersection_criterion(dtc=0.5, gtc=0.5)
"""The rule of AudioGrounding's Th-AUC."""
GROUNDING_GAP_S = 0.5
"""Longest gap between detections that AudioGrounding's Th-AUC closes, in seconds."""
EVENT_F1 = collar_criterion(onset_s=0.2, offset_s=0.2, offset_ratio=0.2)
CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Figures by name. Shapes: B bootstrap resamples, L labels.

    Attributes:
        overall: Figures of the whole set, (B,) each.
        by_label: Figures of each label, (L, B) each.
    """

    overall: Mapping[str, NDArray[np.float64]]
    by_label: Mapping[str, NDArray[np.float64]]


def compute_figures(
    queries: ScoredQueries,
    grid: FrameGrid,
    weights: NDArray[np.float64],
    postprocessing: Sequence[Postprocessing],
    presence: PresenceRule | None = None,
) -> Figures:
    """Computes all localization figures.

    - `psds1`, `psds2`: polyphonic sound detection scores with alpha_st = 1, which penalizes differences between labels.
      `psds1_macro`, `psds2_macro`: with alpha_st = 0, the mean over the labels. PSDS1 rewards exact times (DTC and GTC
      0.7); PSDS2 tolerates inexact times (DTC and GTC 0.1) and penalizes cross triggers (CTTC 0.3, alpha_ct 0.5).
    - `partial_auroc`: area under the receiver operating characteristic of 1 s slices up to a false positive rate of
      0.1, divided by 0.1; the mean over the labels.
    - `event_f1_macro`, `event_f1_micro`: event-based F1. Detections are runs of frames above the label's threshold. The
      collar of an onset is 0.2 s; the collar of an offset is 0.2 s or 20 % of the event, whichever is longer.
    - `segment_error_rate`: substitutions, deletions and insertions in 1 s slices per true label of a slice, at the
      labels' thresholds.
    - `th_auc`: area under the F1 of queries with a true event in their clip, over all thresholds (AudioGrounding); a
      perfect model reaches 0.98, since the thresholds run from 0.01 to 0.99.
    - `expected_calibration_error`: mean difference between the score and the observed frequency, over all frames.
    - `false_presence`: fraction answered with `present` among the queries without a true event in their clip.

    With a single label, `psds1`, `psds2` and `psds2_macro` are left out, because they compare labels with each other.

    Args:
        queries: Score curves and true events.
        grid: Frame grid of the score curves.
        weights: Number of times that each clip counts in each resample, (C, B).
        postprocessing: Post-processing of each label, with its threshold, (L,).
        presence: When a query counts as heard in a long clip; None if every segment counts.
    """
    score_floor = score_floors(queries, MAX_FP_PER_HOUR)
    psds1 = psds(
        count_changes(queries, PSDS1, score_floor), queries, weights, alpha_ct=0.0, max_fp_per_hour=MAX_FP_PER_HOUR
    )
    thresholds = np.array([settings.threshold for settings in postprocessing])
    events = event_f1(queries, weights, thresholds)
    auroc = partial_auroc(slice_count_changes(queries, SLICE_S), weights, MAX_FPR)
    overall = {
        "psds1_macro": psds1.mean,
        "partial_auroc": auroc.mean,
        "event_f1_macro": events.macro,
        "event_f1_micro": events.micro,
        "segment_error_rate": segment_error_rate(queries, weights, thresholds),
        "th_auc": threshold_auc(queries, grid, weights),
        "expected_calibration_error": calibration_error(queries, weights),
        "false_presence": false_presence(queries, grid, weights, postprocessing, presence),
    }
    by_label = {"psds1": psds1.by_label, "partial_auroc": auroc.by_label, "event_f1": events.by_label}
    if len(queries.labels) > 1:
        psds2 = psds(
            count_changes(queries, PSDS2, score_floor),
            queries,
            weights,
            alpha_ct=PSDS2_ALPHA_CT,
            max_fp_per_hour=MAX_FP_PER_HOUR,
        )
        overall |= {"psds1": psds1.mean_minus_std, "psds2": psds2.mean_minus_std, "psds2_macro": psds2.mean}
        by_label |= {"psds2": psds2.by_label}
    return Figures(overall, by_label)


def psds1_without_bootstrap(queries: ScoredQueries) -> Areas:
    """PSDS1 of the whole set, with B = 1 instead of bootstrap resamples; NaN for a label without an event."""
    changes = count_changes(queries, PSDS1, score_floors(queries, MAX_FP_PER_HOUR))
    unweighted = np.ones((queries.n_clips, 1))
    return psds(changes, queries, unweighted, alpha_ct=0.0, max_fp_per_hour=MAX_FP_PER_HOUR)


def event_f1(queries: ScoredQueries, weights: NDArray[np.float64], thresholds: NDArray[np.float64]) -> FScores:
    """Event-based F1 of the runs of frames above each label's threshold (L,)."""
    return f_scores(_event_count_changes(queries), queries, weights, thresholds)


def event_f1_by_threshold(queries: ScoredQueries) -> NDArray[np.float64]:
    """Event-based F1 of each label at each of F1_THRESHOLDS, without bootstrap: (K, L)."""
    return f_scores_by_threshold(_event_count_changes(queries), queries, np.ones((queries.n_clips, 1)))[..., 0]


def _event_count_changes(queries: ScoredQueries) -> Iterator[CountChanges]:
    below_all_thresholds = np.full(len(queries.labels), F1_THRESHOLDS[0] / 2)
    return count_changes(queries, EVENT_F1, below_all_thresholds)


def segment_error_rate(
    queries: ScoredQueries, weights: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Errors in 1 s slices, divided by the number of true labels of all slices: (B,); may exceed 1.

    In each slice, a missed label and a falsely detected label together count as one substitution. Missed labels that
    remain are deletions, and falsely detected labels that remain are insertions (10.3390/app6060162).
    """
    errors_by_clip: dict[int, NDArray[np.int64]] = {}  # numbers of missed and of falsely detected labels, (2, slices)
    positives = np.zeros(queries.n_clips)
    for query in queries.queries:
        score, positive = slice_scores(query, SLICE_S)
        detected = score > thresholds[query.label]
        errors = np.stack([positive & ~detected, detected & ~positive]).astype(np.int64)
        errors_by_clip[query.clip] = errors_by_clip[query.clip] + errors if query.clip in errors_by_clip else errors
        positives[query.clip] += positive.sum()
    n_errors = np.zeros(queries.n_clips)
    for clip, errors in errors_by_clip.items():
        n_errors[clip] = errors.max(axis=0).sum()
    n_true = positives @ weights
    return (n_errors @ weights) / np.where(n_true > 0, n_true, np.nan)


def threshold_auc(queries: ScoredQueries, grid: FrameGrid, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the F1 over the thresholds (Th-AUC of AudioGrounding): (B,).

    Only queries whose label has a true event in the clip count. Gaps of up to 0.5 s between detections are closed: a
    grey closing of the score curve gives the same detections at every threshold.
    """
    gap = grid.frames_for(GROUNDING_GAP_S)
    present = queries.pooled()
    closed = [
        replace(query, curve=grey_closing(np.pad(query.curve, gap + 1), size=gap + 1)[gap + 1 : -gap - 1])
        for query in present.queries
    ]
    changes = count_changes(replace(present, queries=tuple(closed)), GROUNDING, np.zeros(1))
    f1_by_threshold = f_scores_by_threshold(changes, present, weights)[:, 0]  # (K, B)
    return np.asarray(np.trapezoid(f1_by_threshold, F1_THRESHOLDS, axis=0))


def calibration_error(queries: ScoredQueries, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error of the scores of all frames, in each resample: (B,)."""
    bins = np.zeros((3, CALIBRATION_BINS, queries.n_clips))
    for query in queries.queries:
        bins[:, :, query.clip] += calibration_bins(query.curve.astype(np.float64), query.truth())
    return _error_of_bins(bins @ weights)


def reliability(passes: Iterable[ScoredQueries]) -> list[dict[str, float]]:
    """Mean score, observed frequency and number of frames of each bin of the calibration error that has frames.

    Args:
        passes: Scored queries of all passes; their frames count together.
    """
    counts, score_sums, true_counts = np.sum(
        [
            calibration_bins(query.curve.astype(np.float64), query.truth())
            for queries in passes
            for query in queries.queries
        ],
        axis=0,
    )
    return [
        {"score": float(score / n), "frequency": float(true / n), "frames": int(n)}
        for n, score, true in zip(counts, score_sums, true_counts, strict=True)
        if n
    ]


def expected_calibration_error(score: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 bins of equal width (arXiv 1706.04599).

    This error is the mean over the bins of the absolute difference between a bin's mean score and its fraction of true
    frames; each bin is weighted by its number of frames.

    Args:
        score: Scores in [0, 1], (N,).
        truth: Whether each scored frame is in a true event, (N,).

    >>> expected_calibration_error(np.array([0.25, 0.25, 0.25, 0.25], np.float32), np.array([1, 0, 0, 0], bool))
    0.0
    """
    return float(_error_of_bins(calibration_bins(score, truth)[..., None])[0])


def calibration_bins(score: NDArray[np.floating], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Number of frames, sum of scores and number of true frames in each of 15 bins of equal width: (3, 15)."""
    bins = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return np.stack(
        [np.bincount(bins, values, CALIBRATION_BINS) for values in (np.ones(len(bins)), score, truth)], dtype=np.float64
    )


def _error_of_bins(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error from bins (3, 15, B): (B,)."""
    counts, score_sums, true_counts = bins
    return np.abs(score_sums - true_counts).sum(axis=0) / counts.sum(axis=0)


def false_presence(
    queries: ScoredQueries,
    grid: FrameGrid,
    weights: NDArray[np.float64],
    postprocessing: Sequence[Postprocessing],
    presence: PresenceRule | None,
) -> NDArray[np.float64]:
    """Fraction of queries answered with `present` among those without a true event in their clip: (B,)."""
    counts = np.zeros((2, queries.n_clips))  # answered with `present`, and all, among queries without a true event
    for query in queries.queries:
        if not len(query.target_events[0]):
            curve = query.curve.astype(np.float32, copy=False)
            settings, duration_s = postprocessing[query.label], float(query.edges_s[-1])
            segments = find_segments(curve, curve, grid, duration_s, settings)
            counts[:, query.clip] += is_present(segments, settings.threshold, duration_s, presence), 1
    n_present, n_absent = counts @ weights
    return n_present / np.where(n_absent > 0, n_absent, np.nan)
