"""Choice of post-processing for each label on a tuning set, to be applied to another set."""

import numpy as np
from numpy.typing import NDArray

from service.core.postprocessing import Postprocessing
from training.evaluation.count_changes import count_changes
from training.evaluation.curves import F1_THRESHOLDS, psds, score_floors
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.metrics import MAX_FP_PER_HOUR, PSDS1, event_f1_by_threshold
from training.evaluation.scored_queries import ScoredQueries

MEDIAN_FILTERS_S = (0.12, 0.68, 1.0)
"""Candidate widths of the median filter in seconds, in addition to the model's default width."""


def common_threshold(queries: ScoredQueries) -> float:
    """The threshold that maximizes the mean event F1 over the labels, used for all labels alike."""
    return _best_threshold(np.nanmean(event_f1_by_threshold(queries), axis=1))


def tune(localizer: Localizer, tuning_set: EvaluationSet) -> tuple[Postprocessing, list[Postprocessing]]:
    """Chooses the default post-processing for all labels, and the post-processing of each scored label.

    The default is the localizer's `postprocessing`. If the localizer is not calibrated, the common threshold of all
    labels replaces its threshold. Each label gets the median filter with the highest PSDS1 and then, for that filter,
    the threshold with the highest event F1. A label keeps the default where it has no event in the tuning set, and
    keeps the default threshold where its F1 is 0 at every threshold. Only the first query of each label is used.

    Args:
        localizer: Model, bundle or service to tune.
        tuning_set: Evaluation set in which at least one label has an event.
    """
    default = localizer.postprocessing
    widths_s = (default.median_filter_s, *MEDIAN_FILTERS_S)
    scores_by_width = tuning_set.score_clips(
        localizer, [[width_s] * len(tuning_set.scored_labels) for width_s in widths_s]
    )
    queries_by_width = [tuning_set.scored_queries(clip_scores, 0) for clip_scores in scores_by_width]
    if not localizer.calibrated:
        default = default.override(threshold=common_threshold(queries_by_width[0]))
    areas = np.stack([_psds1_by_label(queries) for queries in queries_by_width])  # (W, L)
    f1_by_threshold = np.stack([event_f1_by_threshold(queries) for queries in queries_by_width])  # (W, K, L)
    by_label: list[Postprocessing] = []
    for label in range(len(tuning_set.scored_labels)):
        if np.isnan(areas[0, label]):
            by_label.append(default)
            continue
        width = int(areas[:, label].argmax())
        f1 = f1_by_threshold[width, :, label]
        threshold = _best_threshold(f1) if f1.max() > 0 else default.threshold
        by_label.append(default.override(median_filter_s=widths_s[width], threshold=threshold))
    return default, by_label


def _best_threshold(f1: NDArray[np.float64]) -> float:
    """The threshold with the highest F1, from F1 at each of F1_THRESHOLDS (K,); the middle one of several."""
    best = np.flatnonzero(f1 == f1.max())
    return float(F1_THRESHOLDS[best[len(best) // 2]])


def _psds1_by_label(queries: ScoredQueries) -> NDArray[np.float64]:
    """PSDS1 of each label, (L,); NaN for a label without an event."""
    changes = count_changes(queries, PSDS1, score_floors(queries, MAX_FP_PER_HOUR))
    unweighted = np.ones((queries.n_clips, 1))
    return psds(changes, queries, unweighted, alpha_ct=0.0, max_fp_per_hour=MAX_FP_PER_HOUR).by_label[:, 0]
