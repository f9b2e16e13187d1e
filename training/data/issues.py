"""What can be wrong with a data set, and what is done about it: it is noted and left out, or ends the reading."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

BROKEN_ROW = "broken row"
MISSING_FILE = "missing file"
UNREADABLE_FILE = "unreadable file"
LATE_EVENT = "event after the end"
IN_TWO_SPLITS = "recording in two splits"
KINDS = (MISSING_FILE, UNREADABLE_FILE, BROKEN_ROW, LATE_EVENT, IN_TWO_SPLITS)


@dataclass(frozen=True, slots=True)
class DataIssue:
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
class DataIssues:
    """Collects what is left out while a data set is read."""

    found: list[DataIssue] = field(default_factory=list)

    def add(self, kind: str, where: str, what: str) -> None:
        """Notes one issue."""
        self.found.append(DataIssue(kind, where, what))

    @contextlib.contextmanager
    def record_errors(self, where: str) -> Iterator[None]:
        """A ValueError within is a broken row, which is noted and left out."""
        try:
            yield
        except ValueError as error:
            self.add(BROKEN_ROW, where, str(error))


class StrictIssues(DataIssues):
    """Leaves nothing out: the first issue is a ValueError."""

    __slots__ = ()

    def add(self, kind: str, where: str, what: str) -> None:  # noqa: ARG002 - whatever it is
        """Raises ValueError."""
        raise ValueError(f"{where}: {what}")
