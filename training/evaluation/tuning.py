"""Post-processing chosen on one set, to be used on another."""

import numpy as np
from numpy.typing import NDArray

from service.core.postprocessing import Postprocessing
from training.evaluation.count_changes import count_changes
from training.evaluation.curves import THRESHOLDS, floors, psds
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.metrics import PER_HOUR, PSDS1, event_f1_by_threshold
from training.evaluation.scored_queries import ScoredQueries

WIDTHS_S = (0.12, 0.68, 1.0)
"""Median filters to choose from, beside that of the model."""


def common_threshold(asked: ScoredQueries) -> float:
    """The threshold for all labels at which the mean of their event F1 is best."""
    return _best(np.nanmean(event_f1_by_threshold(asked), axis=1))


def tune(localizer: Localizer, own: EvaluationSet) -> tuple[Postprocessing, list[Postprocessing]]:
    """The default for all labels, and the post-processing of each.

    The default is the model's own; if it is not calibrated, with the threshold that has the best event F1 over all
    labels. A label has the median filter with the best PSDS1, and behind that the threshold with the best event F1; what
    is not heard in the set, or never right, keeps the default. Only the first query of each label is asked. Some label must
    be heard.
    """
    default = localizer.postprocessing
    widths_s = (default.median_filter_s, *WIDTHS_S)
    answers = own.answers(localizer, [[width_s] * len(own.scored_labels) for width_s in widths_s])
    passes = [own.pairs(found, 0) for found in answers]
    if not localizer.calibrated:
        default = default.override(threshold=common_threshold(passes[0]))
    areas = np.stack([_single_psds1(asked) for asked in passes])  # (W, L)
    by_threshold = np.stack([event_f1_by_threshold(asked) for asked in passes])  # (W, K, L)
    each: list[Postprocessing] = []
    for label in range(len(own.scored_labels)):
        if np.isnan(areas[0, label]):
            each.append(default)
            continue
        width = int(areas[:, label].argmax())
        f1 = by_threshold[width, :, label]
        threshold = _best(f1) if f1.max() > 0 else default.threshold
        each.append(default.override(median_filter_s=widths_s[width], threshold=threshold))
    return default, each


def _best(f1: NDArray[np.float64]) -> float:
    """The threshold with the best F1, (K,); of several, the one in the middle."""
    best = np.flatnonzero(f1 == f1.max())
    return float(THRESHOLDS[best[len(best) // 2]])


def _single_psds1(asked: ScoredQueries) -> NDArray[np.float64]:
    found = count_changes(asked, PSDS1, floors(asked, PER_HOUR))
    return psds(found, asked, np.ones((asked.n_clips, 1)), alpha_ct=0.0, per_hour=PER_HOUR).by_label[:, 0]
