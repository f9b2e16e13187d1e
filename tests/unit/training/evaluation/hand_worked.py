"""Queries of one clip of ten frames of 1 s, whose figures can be worked out by hand."""

import numpy as np

from training.evaluation.scored_queries import ScoredQuery, events_by_label

LABELS = ("cat", "dog")
EDGES_S = np.arange(11.0)
CAT_AT_2_TO_6 = [("cat", 2.0, 6.0)]
BOTH = [("cat", 2.0, 6.0), ("dog", 7.0, 8.0)]


def query(label: int, curve: list[float], events: list[tuple[str, float, float]], clip: int = 0) -> ScoredQuery:
    """A query for a label in a clip with these events, given its score curve."""
    return ScoredQuery(clip, label, np.array(curve, np.float32), EDGES_S, events_by_label(LABELS, events, 10.0))
