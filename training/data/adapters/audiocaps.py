"""AudioCaps (NAACL 2019): ten seconds of a YouTube video each, with captions; version 1 or 2.

The folder, the tables as https://github.com/cdjkim/audiocaps publishes them (`dataset/` or `dataset2.0/`):

    train.csv, val.csv, test.csv   audiocap_id, youtube_id, start_time, caption : one row a caption
    anywhere below                 the audio, which is not published: `<youtube_id>_<start_time>` as the package
                                   aac-datasets names it, `Y<youtube_id>` or `<youtube_id>`, in any format

Rows of one recording (five each in `val` and `test`) are one example. Splits whose table is there are read.
"""

from collections import defaultdict
from pathlib import Path

from training.data.audio_files import AudioIndex
from training.data.example import Example
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_rows, required_text

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")


def read_audiocaps(folder: Path, issues: DataIssues) -> list[Example]:
    """The recordings of all tables, in the order of their first rows.

    Raises:
        FileNotFoundError: no table is there.
        ValueError: a table is not as published.
    """
    audio, examples = AudioIndex(folder), list[Example]()
    for table, split in existing_tables(folder, {f"{split}.csv": split for split in ("train", "val", "test")}).items():
        captions: dict[Path, list[str]] = defaultdict(list)
        for where, row in read_rows(table, COLUMNS, issues):
            with issues.record_errors(where):
                video, caption = required_text(row, "youtube_id"), required_text(row, "caption")
                path = audio.find(f"{video}_{row['start_time']}", f"Y{video}", video)
                captions[path].append(caption)
        examples += [Example(path, split, tuple(said)) for path, said in captions.items()]
    return examples
