"""Clotho 2.1 (arXiv 1910.09387): Freesound recordings of 15 to 30 s, with five captions each.

The folder holds the unpacked files of the Zenodo record 4783391:

- `clotho_captions_development.csv`, `clotho_captions_validation.csv` and `clotho_captions_evaluation.csv`: one row per
  recording, with the columns `file_name` and `caption_1` to `caption_5`.
- `development/`, `validation/` and `evaluation/`: the WAV files.

The splits are `train` (development), `val` (validation) and `test` (evaluation). Splits without a table are skipped.
"""

from pathlib import Path

from training.data.example import Example
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_rows, required_text

SPLITS = {"development": "train", "validation": "val", "evaluation": "test"}
CAPTIONS = tuple(f"caption_{i}" for i in range(1, 6))


def read_clotho(folder: Path, issues: DataIssues) -> list[Example]:
    """Reads the recordings of all tables, in their order. A recording with a missing caption is left out.

    Raises:
        FileNotFoundError: No table exists.
        ValueError: A table does not have the published format.
    """
    examples: list[Example] = []
    for table, part in existing_tables(folder, {f"clotho_captions_{part}.csv": part for part in SPLITS}).items():
        for where, row in read_rows(table, ("file_name", *CAPTIONS), issues):
            with issues.record_errors(where):
                captions = tuple(required_text(row, column) for column in CAPTIONS)
                examples.append(Example(folder / part / row["file_name"], SPLITS[part], captions))
    return examples
