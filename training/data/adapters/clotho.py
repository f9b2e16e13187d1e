"""Clotho 2.1 (arXiv 1910.09387): Freesound recordings of 15 to 30 s with five captions each.

The folder, as the Zenodo record 4783391 unpacks:

    clotho_captions_development.csv, clotho_captions_validation.csv, clotho_captions_evaluation.csv
                                             file_name, caption_1 ... caption_5 : one row a recording
    development/, validation/, evaluation/   the WAV files

The splits are `train` (development), `val` (validation) and `test` (evaluation); those whose table is there are read.
"""

from pathlib import Path

from training.data.example import Example
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_rows, required_text

SPLITS = {"development": "train", "validation": "val", "evaluation": "test"}
CAPTIONS = tuple(f"caption_{i}" for i in range(1, 6))


def read_clotho(folder: Path, issues: DataIssues) -> list[Example]:
    """The recordings of all tables, in their order; a recording whose captions are not all there is left out.

    Raises:
        FileNotFoundError: no table is there.
        ValueError: a table is not as published.
    """
    examples: list[Example] = []
    for table, part in existing_tables(folder, {f"clotho_captions_{part}.csv": part for part in SPLITS}).items():
        for where, row in read_rows(table, ("file_name", *CAPTIONS), issues):
            with issues.record_errors(where):
                captions = tuple(required_text(row, column) for column in CAPTIONS)
                examples.append(Example(folder / part / row["file_name"], SPLITS[part], captions))
    return examples
