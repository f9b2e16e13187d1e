"""Post-processing chosen on one set, to be used on another."""

from collections.abc import Sequence

import numpy as np

from training.evaluation.asked import Asked
from training.evaluation.changes import changes
from training.evaluation.curves import THRESHOLDS, f_scores_by_threshold
from training.evaluation.metrics import EVENT_F1


def common_threshold(passes: Sequence[Asked]) -> float:
    """The threshold for all labels at which the mean of their event F1 is best."""
    by_label = np.mean([f_scores_by_threshold(changes(asked, EVENT_F1), asked) for asked in passes], axis=0)
    return float(THRESHOLDS[np.nanmean(by_label, axis=1).argmax()])
