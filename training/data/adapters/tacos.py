"""TACOS (arXiv 2505.07609): Freesound recordings with captions of regions, and one caption of the whole.

The folder, as the Zenodo record 15379789 unpacks:

    metadata.csv            filename, subclass, ... : one row a recording
    annotations_strong.csv  filename, onset, offset, text : one row a region, in seconds
    annotations_weak.csv    filename, text (`caption` in the paper's code) : one row a recording
    test_split.csv          filename : the recordings of the test split
    audio/                  <freesound id>.mp3, of up to 30 s

The splits are `train` and `test`. Without `test_split.csv` the split is that of the paper's code: 2,000 recordings for
test, stratified by `subclass`, with scikit-learn's `train_test_split` and the seed 42; of another number, the same share.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from sklearn.model_selection import train_test_split

from training import seeds
from training.data.example import CaptionedEvent, Example
from training.data.issues import DataIssues
from training.data.tables import read_header, read_rows, required_text

TEST_SHARE = 2_000 / 12_358


def read_tacos(folder: Path, issues: DataIssues) -> list[Example]:
    """The recordings that `metadata.csv` lists, in its order.

    Raises:
        FileNotFoundError: a table is not there.
        ValueError: a table is not as published, or too small to be split without `test_split.csv`.
    """
    subclasses: dict[str, str] = {}
    for where, row in read_rows(folder / "metadata.csv", ("filename", "subclass"), issues):
        with issues.record_errors(where):
            name = required_text(row, "filename")
            if name in subclasses:
                raise ValueError(f"{name} stands in the table twice")
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


def _events(folder: Path, known: Mapping[str, str], issues: DataIssues) -> dict[str, list[CaptionedEvent]]:
    events: dict[str, list[CaptionedEvent]] = defaultdict(list)
    columns = ("filename", "onset", "offset", "text")
    for where, row in read_rows(folder / "annotations_strong.csv", columns, issues):
        with issues.record_errors(where):
            event = CaptionedEvent(float(row["onset"]), float(row["offset"]), required_text(row, "text"))
            events[_known(row["filename"], known)].append(event)
    return events


def _captions(folder: Path, known: Mapping[str, str], issues: DataIssues) -> dict[str, list[str]]:
    table = folder / "annotations_weak.csv"
    column = "caption" if "caption" in read_header(table) else "text"
    captions: dict[str, list[str]] = defaultdict(list)
    for where, row in read_rows(table, ("filename", column), issues):
        with issues.record_errors(where):
            captions[_known(row["filename"], known)].append(required_text(row, column))
    return captions


def _known(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        raise ValueError(f"{name!r} is not in metadata.csv")
    return name


def _test_split(folder: Path, subclasses: Mapping[str, str], issues: DataIssues) -> set[str]:
    table = folder / "test_split.csv"
    if not table.is_file():
        return stratified_test_split(subclasses)
    test: set[str] = set()
    for where, row in read_rows(table, ("filename",), issues):
        with issues.record_errors(where):
            test.add(_known(row["filename"], subclasses))
    return test


def stratified_test_split(subclasses: Mapping[str, str]) -> set[str]:
    """The names for test, of names with their subclass.

    Raises:
        ValueError: a subclass has one name alone, or there are more subclasses than names for test.
    """
    try:
        _, test = train_test_split(
            list(subclasses),
            test_size=TEST_SHARE,
            stratify=list(subclasses.values()),
            random_state=seeds.TACOS_TEST_SPLIT,
        )
    except ValueError as error:
        raise ValueError(f"{len(subclasses)} recordings cannot be split without test_split.csv: {error}") from error
    return set(test)
