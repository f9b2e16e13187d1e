"""AudioCaps (NAACL 2019), version 1 or 2: excerpts of 10 s from YouTube videos, with captions.

The folder holds:

- `train.csv`, `val.csv` and `test.csv`, from `dataset/` or `dataset2.0/` of https://github.com/cdjkim/audiocaps: one row
  per caption, with the columns `audiocap_id`, `youtube_id`, `start_time` and `caption`.
- The audio files, in any subfolder and any format. They are not published. Their names are `<youtube_id>_<start_time>`
  (as the package aac-datasets names them), `Y<youtube_id>` or `<youtube_id>`.

Splits without a table are skipped. The rows of one recording (five in `val` and `test`) become one example.
"""

from collections import defaultdict
from pathlib import Path

from training.data.audio_files import AudioIndex
from training.data.example import Example
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_rows, required_text

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")


def read_audiocaps(folder: Path, issues: DataIssues) -> list[Example]:
    """Reads the recordings of all tables, in the order of their first rows.

    Raises:
        FileNotFoundError: No table exists.
        ValueError: A table does not have the published format.
    """
    audio, examples = AudioIndex(folder), list[Example]()
    for table, split in existing_tables(folder, {f"{split}.csv": split for split in ("train", "val", "test")}).items():
        captions: dict[Path, list[str]] = defaultdict(list)
        for where, row in read_rows(table, COLUMNS, issues):
            with issues.record_errors(where):
                video, caption = required_text(row, "youtube_id"), required_text(row, "caption")
                path = audio.find(f"{video}_{row['start_time']}", f"Y{video}", video)
                captions[path].append(caption)
        examples += [Example(path, split, tuple(texts)) for path, texts in captions.items()]
    return examples
