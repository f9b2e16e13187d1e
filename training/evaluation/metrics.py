"""Which figures of merit there are, with which parameters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_closing

from service.core.frame_grid import FrameGrid
from service.core.postprocessing import Postprocessing
from service.core.segments import find_segments
from training.evaluation.count_changes import (
    CountChanges,
    collar_criterion,
    count_changes,
    intersection_criterion,
    segment_changes,
    segments,
)
from training.evaluation.curves import (
    THRESHOLDS,
    FScores,
    f_scores,
    f_scores_by_threshold,
    floors,
    partial_auroc,
    psds,
)
from training.evaluation.scored_queries import ScoredQueries

PER_HOUR = 100.0
PSDS1 = intersection_criterion(dtc=0.7, gtc=0.7)
PSDS2 = intersection_criterion(dtc=0.1, gtc=0.1, cttc=0.3)
PSDS2_ALPHA_CT = 0.5
SEGMENT_S = 1.0
MAX_FPR = 0.1
GROUNDING = intersection_criterion(dtc=0.5, gtc=0.5)
GROUNDING_GAP_S = 0.5
EVENT_F1 = collar_criterion(onset_s=0.2, offset_s=0.2, offset_share=0.2)
CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Figures of merit by name, (B,) over the resamples, and those of each label, (L, B)."""

    overall: Mapping[str, NDArray[np.float64]]
    by_label: Mapping[str, NDArray[np.float64]]


def compute_figures(
    asked: ScoredQueries, grid: FrameGrid, weights: NDArray[np.float64], settings: Sequence[Postprocessing]
) -> Figures:
    """All figures that apply.

    - `psds1`, `psds2`: with alpha_st 1; `psds1_macro`, `psds2_macro`: with alpha_st 0, the mean of the labels.
    - `partial_auroc`: over 1 s segments, up to a false positive rate of 0.1, divided by 0.1; the mean of the labels.
    - `event_f1_macro`, `event_f1_micro`: runs of frames above the threshold, onsets right to 0.2 s, offsets to 0.2 s or 20 %.
    - `segment_error_rate`: over 1 s segments, at the thresholds.
    - `th_auc`: how F1 stands over all thresholds, each label asked where it is heard; 0.98 is perfect.
    - `expected_calibration_error`: of the scores of all frames.
    - `false_presence`: how often what a recording does not hold is said to be there.

    Args:
        asked: What was asked.
        grid: The frames of the curves.
        weights: How often each recording counts in each resample, (R, B).
        settings: The post-processing of each label, with its threshold.
    """
    deep = floors(asked, PER_HOUR)
    first = psds(count_changes(asked, PSDS1, deep), asked, weights, alpha_ct=0.0, per_hour=PER_HOUR)
    thresholds = np.array([own.threshold for own in settings])
    events = event_f1(asked, weights, thresholds)
    segments = partial_auroc(segment_changes(asked, SEGMENT_S), weights, MAX_FPR)
    overall = {
        "psds1_macro": first.mean,
        "partial_auroc": segments.mean,
        "event_f1_macro": events.macro,
        "event_f1_micro": events.micro,
        "segment_error_rate": segment_error_rate(asked, weights, thresholds),
        "th_auc": threshold_auc(asked, grid, weights),
        "expected_calibration_error": calibration_error(asked, weights),
        "false_presence": false_presence(asked, grid, weights, settings),
    }
    by_label = {"psds1": first.by_label, "partial_auroc": segments.by_label, "event_f1": events.by_label}
    if len(asked.labels) > 1:  # else there is no spread between labels, and nothing to be confused with
        second = psds(count_changes(asked, PSDS2, deep), asked, weights, alpha_ct=PSDS2_ALPHA_CT, per_hour=PER_HOUR)
        overall |= {"psds1": first.stable, "psds2": second.stable, "psds2_macro": second.mean}
        by_label |= {"psds2": second.by_label}
    return Figures(overall, by_label)


def event_f1(asked: ScoredQueries, weights: NDArray[np.float64], thresholds: NDArray[np.float64]) -> FScores:
    """Event F1 of the runs of frames above each label's threshold (L,)."""
    return f_scores(_event_changes(asked), asked, weights, thresholds)


def event_f1_by_threshold(asked: ScoredQueries) -> NDArray[np.float64]:
    """Event F1 of each label at each of THRESHOLDS: (K, L)."""
    return f_scores_by_threshold(_event_changes(asked), asked, np.ones((asked.n_clips, 1)))[..., 0]


def _event_changes(asked: ScoredQueries) -> Iterator[CountChanges]:
    return count_changes(asked, EVENT_F1, np.full(len(asked.labels), THRESHOLDS[0] / 2))


def segment_error_rate(
    asked: ScoredQueries, weights: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Substitutions, deletions and insertions in 1 s segments, for each label of a segment that is true: (B,).

    A label that is missed beside one that is wrongly found is one error, not two (10.3390/app6060162).
    """
    wrong: dict[int, NDArray[np.int64]] = {}  # how many are missed and wrongly found in each segment, (2, S)
    positives = np.zeros(asked.n_clips)
    for pair in asked.queries:
        score, positive = segments(pair, SEGMENT_S)
        found = score > thresholds[pair.label]
        own = np.stack([positive & ~found, found & ~positive]).astype(np.int64)
        wrong[pair.recording] = wrong[pair.recording] + own if pair.recording in wrong else own
        positives[pair.recording] += positive.sum()
    errors = np.zeros(asked.n_clips)
    for recording, own in wrong.items():
        errors[recording] = own.max(axis=0).sum()
    true = positives @ weights
    return (errors @ weights) / np.where(true > 0, true, np.nan)


def threshold_auc(asked: ScoredQueries, grid: FrameGrid, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area under F1 over the thresholds (AudioGrounding): (B,).

    Gaps of up to 0.5 s are closed in the curves, which cut at any threshold gives the joined segments.
    """
    gap = grid.frames_for(GROUNDING_GAP_S)
    heard = asked.pooled()
    joined = [
        replace(pair, curve=grey_closing(np.pad(pair.curve, gap + 1), size=gap + 1)[gap + 1 : -gap - 1])
        for pair in heard.queries
    ]
    found = count_changes(replace(heard, queries=tuple(joined)), GROUNDING, np.zeros(1))
    by_threshold = f_scores_by_threshold(found, heard, weights)[:, 0]  # (K, B)
    return np.asarray(np.trapezoid(by_threshold, THRESHOLDS, axis=0))


def calibration_error(asked: ScoredQueries, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The expected calibration error of each resample: (B,)."""
    bins = np.zeros((3, CALIBRATION_BINS, asked.n_clips))
    for pair in asked.queries:
        bins[:, :, pair.recording] += calibration_bins(pair.curve.astype(np.float64), pair.truth())
    return error_of_bins(bins @ weights)


def expected_calibration_error(score: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Mean distance of score and frequency over 15 equal bins, weighted by their size (arXiv 1706.04599).

    >>> expected_calibration_error(np.array([0.25, 0.25, 0.25, 0.25], np.float32), np.array([1, 0, 0, 0], bool))
    0.0
    """
    return float(error_of_bins(calibration_bins(score, truth)[..., None])[0])


def calibration_bins(score: NDArray[np.floating], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Count, sum of scores and sum of truths in each of 15 equal bins: (3, 15)."""
    bins = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return np.stack(
        [np.bincount(bins, by, CALIBRATION_BINS) for by in (np.ones(len(bins)), score, truth)], dtype=np.float64
    )


def error_of_bins(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """The expected calibration error from bins (3, 15, B): (B,)."""
    counts, sums, hits = bins
    return np.abs(sums - hits).sum(axis=0) / counts.sum(axis=0)


def false_presence(
    asked: ScoredQueries, grid: FrameGrid, weights: NDArray[np.float64], settings: Sequence[Postprocessing]
) -> NDArray[np.float64]:
    """The share of pairs said to be heard among those that are not: (B,)."""
    counts = np.zeros((2, asked.n_clips))  # said to be heard, not heard
    for pair in asked.queries:
        if not len(pair.target[0]):
            curve = pair.curve.astype(np.float32, copy=False)
            counts[:, pair.recording] += is_present(curve, grid, pair.edges_s[-1], settings[pair.label]), 1
    said, absent = counts @ weights
    return said / np.where(absent > 0, absent, np.nan)


def is_present(curve: NDArray[np.float32], grid: FrameGrid, duration_s: float, settings: Postprocessing) -> bool:
    """Whether the service would say that something is heard in a clip, from its curve (T,)."""
    return bool(find_segments(curve, curve, grid, float(duration_s), settings))
