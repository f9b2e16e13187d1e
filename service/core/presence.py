"""Whether a query is heard anywhere in a clip: the decision about the whole clip, which has to allow for its length."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.core.errors import ParameterInvalid
from service.core.segments import Segment

MAX_FROM_S = 3600.0
MAX_LOGITS_PER_DOUBLING = 5.0


@dataclass(frozen=True, slots=True)
class PresenceRule:
    """The score that a segment must exceed so that the query counts as heard in the clip, by length of the clip.

    Each frame is a chance for a false alarm, so a long clip without the sound has a segment more often than a short one.
    The rule raises the threshold with the length of the clip, such that the share of absent sounds that are reported as
    present stays the same. The segments themselves do not depend on the rule.

    Attributes:
        from_s: In clips up to this length, every segment counts, in seconds; above 0 and at most 3600.
        logits_per_doubling: For each doubling of the length beyond `from_s`, the logit of the threshold rises by this
            number; 0 to 5.

    Raises:
        ParameterInvalid: On construction, if a value is outside its range.
    """

    from_s: float
    logits_per_doubling: float

    def __post_init__(self) -> None:
        if not 0 < self.from_s <= MAX_FROM_S:
            raise ParameterInvalid("from_s", f"{self.from_s!r} s", f"above 0 and at most {MAX_FROM_S:g} s")
        if not 0 <= self.logits_per_doubling <= MAX_LOGITS_PER_DOUBLING:
            accepted = f"0 to {MAX_LOGITS_PER_DOUBLING:g}"
            raise ParameterInvalid("logits_per_doubling", f"{self.logits_per_doubling!r}", accepted)

    def threshold(self, threshold: float, duration_s: float) -> float:
        """The score that a segment must exceed in a clip of this length, from the threshold of the segments; both in [0, 1]."""
        shift = self.logits_per_doubling * math.log2(max(1.0, duration_s / self.from_s))
        if shift == 0 or threshold in (0.0, 1.0):
            return threshold
        return 1 / (1 + (1 - threshold) / threshold * math.exp(-shift))


def is_present(segments: Sequence[Segment], threshold: float, duration_s: float, rule: PresenceRule | None) -> bool:
    """Whether the query counts as heard in a clip: there is a segment, and the rule of the model accepts its score.

    Args:
        segments: The segments of the query.
        threshold: The threshold with which the segments were cut.
        duration_s: Length of the clip, in seconds.
        rule: The rule of the model; None accepts every segment.
    """
    if rule is None or not segments:
        return bool(segments)
    needed = rule.threshold(threshold, duration_s)
    return needed == threshold or max(segment.score for segment in segments) > needed
