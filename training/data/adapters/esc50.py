"""ESC-50 (ACM MM 2015): 2,000 recordings of 5 s in 50 categories, for classification without training on them.

The folder, as https://github.com/karolpiczak/ESC-50 unpacks:

    meta/esc50.csv   filename, fold, target, category, esc10, src_file, take : one row a recording
    audio/           the WAV files

Each is captioned with its category in words. The five folds, between which no source recording is shared, are the
splits: 1 to 3 are `train`, 4 is `val`, 5 is `test`.
"""

from pathlib import Path

from training.data.example import Example
from training.data.issues import DataIssues
from training.data.tables import read_rows, required_text

SPLIT_OF_FOLD = {"1": "train", "2": "train", "3": "train", "4": "val", "5": "test"}


def read_esc50(folder: Path, issues: DataIssues) -> list[Example]:
    """The recordings that `meta/esc50.csv` lists, in its order.

    Raises:
        FileNotFoundError: the table is not there.
        ValueError: the table is not as published.
    """
    examples: list[Example] = []
    for where, row in read_rows(folder / "meta" / "esc50.csv", ("filename", "fold", "category"), issues):
        with issues.record_errors(where):
            if row["fold"] not in SPLIT_OF_FOLD:
                raise ValueError(f"fold is {row['fold']!r}; 1 to 5 is accepted")
            caption = required_text(row, "category").replace("_", " ")
            path = folder / "audio" / required_text(row, "filename")
            examples.append(Example(path, SPLIT_OF_FOLD[row["fold"]], (caption,)))
    return examples
