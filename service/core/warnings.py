"""Warnings of an answer: reasons why it may be incomplete or wrong, although the clip and the queries were accepted."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerWarning:
    """A warning about a clip or about a query.

    Attributes:
        code: Stable name of the kind of warning, in lower case with dashes, such as "sound-lost".
        message: Explanation for people: what was noticed and what was done about it.
        onset_s: Start of the stretch that the warning is about, in seconds from the start of the clip; None if the warning
            is about the whole clip or about a query.
        offset_s: End of the stretch, in seconds; None if `onset_s` is None.

    Raises:
        ValueError: On construction, if only one end of the stretch is given or the ends are out of order.
    """

    code: str
    message: str
    onset_s: float | None = None
    offset_s: float | None = None

    def __post_init__(self) -> None:
        if (self.onset_s is None) != (self.offset_s is None):
            raise ValueError(f"a stretch has two ends, not {self.onset_s} and {self.offset_s}")
        if self.onset_s is not None and self.offset_s is not None and not 0 <= self.onset_s <= self.offset_s < math.inf:
            raise ValueError(f"a stretch from {self.onset_s} s to {self.offset_s} s is not in order")
