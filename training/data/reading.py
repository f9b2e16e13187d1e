"""What reading a data set gives: its examples, and everything that was left out of them with the reason."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from training.data.example import Example

BROKEN_ROW = "broken row"
MISSING_FILE = "missing file"
UNREADABLE_FILE = "unreadable file"
LATE_EVENT = "event after the end"
IN_TWO_SPLITS = "recording in two splits"
KINDS = (MISSING_FILE, UNREADABLE_FILE, BROKEN_ROW, LATE_EVENT, IN_TWO_SPLITS)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a data set: its kind (one of KINDS), where it stands, and what it is."""

    kind: str
    where: str
    what: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; one of {', '.join(KINDS)} is accepted")

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class Problems:
    """Collects what is left out while a data set is read."""

    found: list[Problem] = field(default_factory=list)

    def add(self, kind: str, where: str, what: str) -> None:
        """Notes one problem."""
        self.found.append(Problem(kind, where, what))

    @contextlib.contextmanager
    def skipping(self, where: str) -> Iterator[None]:
        """A ValueError within is a broken row, which is noted and left out."""
        try:
            yield
        except ValueError as error:
            self.add(BROKEN_ROW, where, str(error))


@dataclass(frozen=True, slots=True)
class Reading:
    """The examples of a data set whose files are there, and what was left out."""

    examples: tuple[Example, ...]
    problems: tuple[Problem, ...]

    def counts(self) -> dict[str, int]:
        """How many problems there are of each kind that occurs."""
        return dict(Counter(problem.kind for problem in self.problems))
