"""Reads a data set by its name, with the adapter for the format in which it is published."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.adapters.audio_grounding import read_audio_grounding
from training.data.adapters.audiocaps import read_audiocaps
from training.data.adapters.audioset_strong import read_audioset_strong
from training.data.adapters.clotho import read_clotho
from training.data.adapters.esc50 import read_esc50
from training.data.adapters.tacos import read_tacos
from training.data.adapters.wavcaps import read_wavcaps
from training.data.example import Example
from training.data.issues import BROKEN_ROW, MISSING_FILE, DataIssue, DataIssues
from training.data.pack import read_pack_table

logger = logging.getLogger(__name__)
Adapter = Callable[[Path, DataIssues], list[Example]]


def read_pack(folder: Path, issues: DataIssues) -> list[Example]:  # noqa: ARG001 - an invalid table raises
    """Reads a CSV pack. The captions of a recording are its label and, if it has one, its title."""
    return [Example(r.path, r.split, tuple(filter(None, (r.label, r.title)))) for r in read_pack_table(folder)]


ADAPTERS: Mapping[str, Adapter] = {
    "audio-grounding": read_audio_grounding,
    "audiocaps": read_audiocaps,
    "audioset-strong": read_audioset_strong,
    "clotho": read_clotho,
    "esc50": read_esc50,
    "pack": read_pack,
    "tacos": read_tacos,
    "wavcaps": read_wavcaps,
}


@dataclass(frozen=True, slots=True)
class DatasetReading:
    """The usable examples of a data set, whose files exist, and the issues of all entries that were left out."""

    examples: tuple[Example, ...]
    issues: tuple[DataIssue, ...]

    def counts(self) -> dict[str, int]:
        """Number of issues of each kind that occurs."""
        return dict(Counter(issue.kind for issue in self.issues))


def read_with_issues(name: str, folder: Path) -> DatasetReading:
    """Reads a data set and collects the issues of the entries that are left out.

    Args:
        name: one of ADAPTERS.
        folder: the folder with the files of the data set, as published.

    Raises:
        ValueError: No data set has this name, or its tables do not have the published format.
        FileNotFoundError: A table is missing.
    """
    if name not in ADAPTERS:
        raise ValueError(f"data set {name!r}; one of {', '.join(sorted(ADAPTERS))} is accepted")
    issues = DataIssues()
    usable = list(_usable(ADAPTERS[name](folder, issues), issues))
    return DatasetReading(tuple(usable), tuple(issues.recorded))


def read_dataset(name: str, folder: Path) -> list[Example]:
    """Reads the usable examples of a data set, and logs the number of entries left out by kind of issue.

    Raises:
        ValueError: No data set has this name, or its tables do not have the published format.
        FileNotFoundError: A table is missing.
    """
    reading = read_with_issues(name, folder)
    for kind, count in reading.counts().items():
        first = next(issue for issue in reading.issues if issue.kind == kind)
        logger.warning("%s in %s: left out %d entries (%s); the first: %s", name, folder, count, kind, first)
    return list(reading.examples)


def _usable(examples: Iterable[Example], issues: DataIssues) -> Iterable[Example]:
    """Yields the examples that have a file and a caption or an event, and records an issue for each of the rest."""
    for example in examples:
        if not example.path.is_file():
            issues.add(MISSING_FILE, str(example.path), "file not found")
        elif not example.captions and not example.events:
            issues.add(BROKEN_ROW, str(example.path), "has neither a caption nor an event")
        else:
            yield example
