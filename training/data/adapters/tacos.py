"""TACOS (arXiv 2505.07609): Freesound recordings with captioned regions, and one caption of each whole recording.

The folder holds the unpacked files of the Zenodo record 15379789:

- `metadata.csv`: one row per recording, with the columns `filename`, `subclass` and more.
- `annotations_strong.csv`: one row per region, with the columns `filename`, `onset` and `offset` in seconds, and `text`.
- `annotations_weak.csv`: one row per recording, with the columns `filename` and `text` (in the paper's code, `caption`).
- `test_split.csv`: one row per recording of the test split, with the column `filename`. This file is optional.
- `audio/`: the recordings, up to 30 s long, as `<freesound id>.mp3`.

The splits are `train` and `test`. Without `test_split.csv`, recordings are split as in the paper's code: with
scikit-learn's `train_test_split`, stratified by `subclass`, with the seed 42. The full data set gets 2,000 test
recordings; a copy with fewer recordings gets the same fraction of them.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from sklearn.model_selection import train_test_split

from training import seeds
from training.data.example import CaptionedEvent, Example
from training.data.issues import DataIssues
from training.data.tables import read_header, read_rows, required_text

TEST_FRACTION = 2_000 / 12_358


def read_tacos(folder: Path, issues: DataIssues) -> list[Example]:
    """Reads the recordings that `metadata.csv` lists, in its order.

    Raises:
        FileNotFoundError: A required table is missing.
        ValueError: A table does not have the published format, or there are too few recordings to split them without
            `test_split.csv`.
    """
    subclasses: dict[str, str] = {}
    for where, row in read_rows(folder / "metadata.csv", ("filename", "subclass"), issues):
        with issues.record_errors(where):
            name = required_text(row, "filename")
            if name in subclasses:
                raise ValueError(f"{name} is listed twice")
            subclasses[name] = required_text(row, "subclass")
    events = _events(folder, subclasses, issues)
    captions = _captions(folder, subclasses, issues)
    test = _test_split(folder, subclasses, issues)
    return [
        Example(
            folder / "audio" / name, "test" if name in test else "train", tuple(captions[name]), tuple(events[name])
        )
        for name in subclasses
    ]


def _events(folder: Path, listed: Mapping[str, str], issues: DataIssues) -> dict[str, list[CaptionedEvent]]:
    events: dict[str, list[CaptionedEvent]] = defaultdict(list)
    columns = ("filename", "onset", "offset", "text")
    for where, row in read_rows(folder / "annotations_strong.csv", columns, issues):
        with issues.record_errors(where):
            event = CaptionedEvent(float(row["onset"]), float(row["offset"]), required_text(row, "text"))
            events[_listed(row["filename"], listed)].append(event)
    return events


def _captions(folder: Path, listed: Mapping[str, str], issues: DataIssues) -> dict[str, list[str]]:
    table = folder / "annotations_weak.csv"
    column = "caption" if "caption" in read_header(table) else "text"
    captions: dict[str, list[str]] = defaultdict(list)
    for where, row in read_rows(table, ("filename", column), issues):
        with issues.record_errors(where):
            captions[_listed(row["filename"], listed)].append(required_text(row, column))
    return captions


def _listed(name: str, listed: Mapping[str, str]) -> str:
    """Returns the file name of a recording; raises ValueError if metadata.csv does not list it."""
    if name not in listed:
        raise ValueError(f"{name!r} is not in metadata.csv")
    return name


def _test_split(folder: Path, subclasses: Mapping[str, str], issues: DataIssues) -> set[str]:
    table = folder / "test_split.csv"
    if not table.is_file():
        return stratified_test_split(subclasses)
    test: set[str] = set()
    for where, row in read_rows(table, ("filename",), issues):
        with issues.record_errors(where):
            test.add(_listed(row["filename"], subclasses))
    return test


def stratified_test_split(subclasses: Mapping[str, str]) -> set[str]:
    """Draws the recordings of the test split, stratified by subclass.

    Args:
        subclasses: the subclass of each recording, by file name.

    Raises:
        ValueError: A subclass has only one recording, or there are more subclasses than test recordings.
    """
    try:
        _, test = train_test_split(
            list(subclasses),
            test_size=TEST_FRACTION,
            stratify=list(subclasses.values()),
            random_state=seeds.TACOS_TEST_SPLIT,
        )
    except ValueError as error:
        raise ValueError(f"{len(subclasses)} recordings cannot be split without test_split.csv: {error}") from error
    return set(test)
