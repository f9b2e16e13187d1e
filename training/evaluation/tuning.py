"""Choice of post-processing for each label on a tuning set; the reported set is then evaluated with it."""

import numpy as np
from numpy.typing import NDArray

from service.core.postprocessing import Postprocessing
from training.evaluation.curves import F1_THRESHOLDS
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.metrics import event_f1_by_threshold, psds1_without_bootstrap
from training.evaluation.scored_queries import ScoredQueries

MEDIAN_FILTERS_S = (0.12, 0.68, 1.0)
"""Candidate widths of the median filter in seconds, in addition to the model's default width."""


def common_threshold(queries: ScoredQueries) -> float:
    """The threshold, common to all labels, that maximizes the mean event F1 over the labels."""
    return _best_threshold(np.nanmean(event_f1_by_threshold(queries), axis=1))


def tune(localizer: Localizer, tuning_set: EvaluationSet) -> tuple[Postprocessing, list[Postprocessing]]:
    """Chooses the default post-processing for all labels, and the post-processing of each scored label.

    The default is the localizer's `postprocessing`. If the localizer is not calibrated, `common_threshold` replaces the
    threshold of the default. Each label gets the median filter with the highest PSDS1 and then, for that filter,
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
    areas = np.stack([psds1_without_bootstrap(queries).by_label[:, 0] for queries in queries_by_width])  # (W, L)
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
    """The threshold with the highest F1, from F1 at each of F1_THRESHOLDS (K,).

    If several thresholds have the highest F1, the middle of them is chosen (the upper of two).
    """
    best = np.flatnonzero(f1 == f1.max())
    return float(F1_THRESHOLDS[best[len(best) // 2]])
