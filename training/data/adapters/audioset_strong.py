"""AudioSet Strong (arXiv 2105.07031): excerpts of 10 s from YouTube videos, with the times of every sound event.

The folder holds:

- `audioset_train_strong.tsv` and `audioset_eval_strong.tsv`, from
  https://research.google.com/audioset/download_strong.html: one row per event, with the columns `segment_id`,
  `start_time_seconds`, `end_time_seconds` and `label`. A segment id is the YouTube id, an underscore, and the start of
  the excerpt in milliseconds.
- `mid_to_display_name.tsv`, from the same page: the name of each label. It has two columns and no header row.
- `audio/`: the audio files, in any subfolder and any format. They are not published. Their names are `Y<youtube id>`
  (as in TACOS' code), `<youtube id>` or `<segment_id>`.

The splits are `train` and `test` (the table of `eval`). Splits without a table are skipped. The caption of an event is
the name of its label. Events with the same label that touch or overlap are merged, as in TACOS' evaluation.
"""

from collections import defaultdict
from pathlib import Path

from training.data.audio_files import AudioIndex
from training.data.example import CaptionedEvent, Example, merge_touching
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_rows, required_text

SPLITS = {"audioset_train_strong.tsv": "train", "audioset_eval_strong.tsv": "test"}
COLUMNS = ("segment_id", "start_time_seconds", "end_time_seconds", "label")


def read_audioset_strong(folder: Path, issues: DataIssues) -> list[Example]:
    """Reads the recordings of all tables, in the order of their first events.

    Raises:
        FileNotFoundError: No table of events exists, or `mid_to_display_name.tsv` is missing.
        ValueError: A table does not have the published format.
    """
    tables = existing_tables(folder, SPLITS)
    names = _label_names(folder / "mid_to_display_name.tsv", issues)
    audio, examples = AudioIndex(folder / "audio"), list[Example]()
    for table, split in tables.items():
        events: dict[str, list[CaptionedEvent]] = defaultdict(list)
        for where, row in read_rows(table, COLUMNS, issues, delimiter="\t"):
            with issues.record_errors(where):
                if row["label"] not in names:
                    raise ValueError(f"label {row['label']!r} is not in mid_to_display_name.tsv")
                times = float(row["start_time_seconds"]), float(row["end_time_seconds"])
                events[required_text(row, "segment_id")].append(CaptionedEvent(*times, names[row["label"]]))
        for segment_id, segment_events in events.items():
            video = segment_id.rpartition("_")[0] or segment_id
            path = audio.find(f"Y{video}", video, segment_id)
            examples.append(Example(path, split, events=merge_touching(segment_events)))
    return examples


def _label_names(table: Path, issues: DataIssues) -> dict[str, str]:
    """Reads the name of each label."""
    rows = read_rows(table, ("mid", "name"), issues, delimiter="\t", header=("mid", "name"))
    return {row["mid"]: row["name"] for _, row in rows if row["name"].strip()}
