"""ESC-50 (ACM MM 2015): 2,000 recordings of 5 s with 50 labels, used for zero-shot classification.

The folder holds the files of https://github.com/karolpiczak/ESC-50:

- `meta/esc50.csv`: one row per recording, with the columns `filename`, `fold`, `target`, `category`, `esc10`, `src_file`
  and `take`.
- `audio/`: the WAV files.

The caption of a recording is its category, with spaces for underscores. The data set has five folds, which share no
source recording: folds 1 to 3 are the split `train`, fold 4 is `val`, and fold 5 is `test`.
"""

from pathlib import Path

from training.data.example import Example
from training.data.issues import DataIssues
from training.data.tables import read_rows, required_text

SPLIT_OF_FOLD = {"1": "train", "2": "train", "3": "train", "4": "val", "5": "test"}


def read_esc50(folder: Path, issues: DataIssues) -> list[Example]:
    """Reads the recordings that `meta/esc50.csv` lists, in its order.

    Raises:
        FileNotFoundError: The table is missing.
        ValueError: The table does not have the published format.
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
