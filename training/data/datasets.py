"""The data sets that can be read, by name."""

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


def read_pack(folder: Path, issues: DataIssues) -> list[Example]:  # noqa: ARG001 - its table is right or refused
    """The recordings of a CSV pack; each is captioned with its label and, where there is one, its title."""
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
class Reading:
    """The examples of a data set whose files are there, and what was left out."""

    examples: tuple[Example, ...]
    issues: tuple[DataIssue, ...]

    def counts(self) -> dict[str, int]:
        """How many issues there are of each kind that occurs."""
        return dict(Counter(issue.kind for issue in self.issues))


def read_with_issues(name: str, folder: Path) -> Reading:
    """The examples of the data set `name` whose published files lie in `folder`, and what was left out of them.

    Raises:
        ValueError: there is no such data set, or its tables are not as published.
        FileNotFoundError: a table is not there.
    """
    if name not in ADAPTERS:
        raise ValueError(f"data set {name!r}; one of {', '.join(sorted(ADAPTERS))} is accepted")
    issues = DataIssues()
    usable = list(_usable(ADAPTERS[name](folder, issues), issues))
    return Reading(tuple(usable), tuple(issues.found))


def read_dataset(name: str, folder: Path) -> list[Example]:
    """The same examples alone; what was left out is counted in the log.

    Raises:
        ValueError: there is no such data set, or its tables are not as published.
        FileNotFoundError: a table is not there.
    """
    reading = read_with_issues(name, folder)
    for kind, count in reading.counts().items():
        first = next(issue for issue in reading.issues if issue.kind == kind)
        logger.warning("%s in %s: %d of kind %r left out; the first: %s", name, folder, count, kind, first)
    return list(reading.examples)


def _usable(examples: Iterable[Example], issues: DataIssues) -> Iterable[Example]:
    for example in examples:
        if not example.path.is_file():
            issues.add(MISSING_FILE, str(example.path), "is not there")
        elif not example.captions and not example.events:
            issues.add(BROKEN_ROW, str(example.path), "nothing is said of it")
        else:
            yield example
