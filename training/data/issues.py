"""The faults of a data set, and the two ways to treat them: record the fault and skip the entry, or stop reading."""

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
    """One fault of a data set.

    Attributes:
        kind: one of KINDS.
        where: the file, and the line or entry in it.
        description: the fault in words.

    Raises:
        ValueError: The kind is not one of KINDS.
    """

    kind: str
    where: str
    description: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; one of {', '.join(KINDS)} is accepted")

    def __str__(self) -> str:
        return f"{self.where}: {self.description}"


@dataclass(slots=True)
class DataIssues:
    """Collects the faults of the entries that are skipped while a data set is read."""

    recorded: list[DataIssue] = field(default_factory=list)

    def add(self, kind: str, where: str, description: str) -> None:
        """Records one fault."""
        self.recorded.append(DataIssue(kind, where, description))

    @contextlib.contextmanager
    def record_errors(self, where: str) -> Iterator[None]:
        """Turns a ValueError that the block raises into a recorded BROKEN_ROW at `where`."""
        try:
            yield
        except ValueError as error:
            self.add(BROKEN_ROW, where, str(error))


class StrictIssues(DataIssues):
    """Skips no entry: the first fault raises ValueError, with the fault's place in the message."""

    __slots__ = ()

    def add(self, kind: str, where: str, description: str) -> None:  # noqa: ARG002 - all kinds are treated alike
        """Raises ValueError."""
        raise ValueError(f"{where}: {description}")
