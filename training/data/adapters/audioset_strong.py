"""AudioSet Strong (arXiv 2105.07031): ten seconds of a YouTube video each, with the times of every sound event.

The folder, the tables as https://research.google.com/audioset/download_strong.html publishes them:

    audioset_train_strong.tsv, audioset_eval_strong.tsv
                              segment_id, start_time_seconds, end_time_seconds, label : one row an event
    mid_to_display_name.tsv   label and its name, without a header
    audio/                    the audio, which is not published: `Y<youtube id>` as in TACOS' code, `<youtube id>` or
                              `<segment_id>`, in any format and in any subfolder

A segment id is the YouTube id, an underscore, and the start in milliseconds. The splits are `train` and `test` (eval);
those whose table is there are read. An event is captioned with the label's name; events of one label that touch or
overlap are one, as TACOS evaluates them.
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
    """The recordings of all tables, in the order of their first events.

    Raises:
        FileNotFoundError: no table of events is there, or the names of the labels are not.
        ValueError: a table is not as published.
    """
    tables = existing_tables(folder, SPLITS)
    names = _names(folder / "mid_to_display_name.tsv", issues)
    audio, examples = AudioIndex(folder / "audio"), list[Example]()
    for table, split in tables.items():
        events: dict[str, list[CaptionedEvent]] = defaultdict(list)
        for where, row in read_rows(table, COLUMNS, issues, delimiter="\t"):
            with issues.record_errors(where):
                if row["label"] not in names:
                    raise ValueError(f"label {row['label']!r} is not in mid_to_display_name.tsv")
                times = float(row["start_time_seconds"]), float(row["end_time_seconds"])
                events[required_text(row, "segment_id")].append(CaptionedEvent(*times, names[row["label"]]))
        for segment, found in events.items():
            video = segment.rpartition("_")[0] or segment
            path = audio.find(f"Y{video}", video, segment)
            examples.append(Example(path, split, events=merge_touching(found)))
    return examples


def _names(table: Path, issues: DataIssues) -> dict[str, str]:
    rows = read_rows(table, ("mid", "name"), issues, delimiter="\t", header=("mid", "name"))
    return {row["mid"]: row["name"] for _, row in rows if row["name"].strip()}
