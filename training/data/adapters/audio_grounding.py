"""AudioGrounding 2 (arXiv 2102.11474, 2401.02584): recordings of AudioCaps, with the times of each phrase of a caption.

The folder holds the files of the Zenodo record that https://github.com/wsntxxn/TextToAudioGrounding links to:

- `train.json`, `val.json` and `test.json`: one list of items per split. Each item is a caption of a recording::

      {"audiocap_id", "audio_id": "Y<youtube id>.wav", "tokens",
       "phrases": [{"phrase", "start_index", "end_index", "segments": [[onset, offset], ...]}, ...]}

  The onsets and offsets of the segments, in which a phrase is heard, are in seconds.
- The audio files, in any subfolder and any format, named after `audio_id`.

Splits without a table are skipped. Each item becomes one example, even if two items describe the same recording;
evaluation merges such items. The caption of an example is its tokens joined by single spaces.
"""

from pathlib import Path, PurePath
from typing import Any

from training.data.audio_files import AudioIndex
from training.data.example import CaptionedEvent, Example
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_json, required_list, required_text


def read_audio_grounding(folder: Path, issues: DataIssues) -> list[Example]:
    """Reads the items of all tables, in their order. A broken phrase or segment is left out of its item.

    Raises:
        FileNotFoundError: No table exists.
        ValueError: A table does not have the published format.
    """
    audio, examples = AudioIndex(folder), list[Example]()
    for table, split in existing_tables(folder, {f"{split}.json": split for split in ("train", "val", "test")}).items():
        items = read_json(table)
        if not isinstance(items, list):
            raise ValueError(f"{table} does not hold a list of items")
        for number, item in enumerate(items):
            where = f"{table}, item {number}"
            with issues.record_errors(where):
                path = audio.find(PurePath(required_text(item, "audio_id")).stem)
                events = _events(required_list(item, "phrases"), where, issues)
                examples.append(Example(path, split, (_token_text(item, "tokens"),), tuple(events)))
    return examples


def _events(phrases: list[Any], where: str, issues: DataIssues) -> list[CaptionedEvent]:
    events: list[CaptionedEvent] = []
    for number, phrase in enumerate(phrases):
        place = f"{where}, phrase {number}"
        with issues.record_errors(place):
            caption, segments = _token_text(phrase, "phrase"), required_list(phrase, "segments")
            if not segments:
                raise ValueError(f"{caption!r} has no segments")
            for segment in segments:
                with issues.record_errors(place):
                    events.append(CaptionedEvent(*_segment_times(segment), caption))
    return events


def _token_text(item: Any, name: str) -> str:
    """Returns a text field. The published tables hold tokens either as one text or as a list of words."""
    if isinstance(item, dict) and isinstance(item.get(name), list):
        item = {name: " ".join(map(str, item[name]))}
    return required_text(item, name)


def _segment_times(segment: Any) -> tuple[float, float]:
    """Returns the onset and the offset of a segment, in seconds."""
    match segment:
        case [float() | int() as onset, float() | int() as offset]:
            return float(onset), float(offset)
    raise ValueError(f"segment {segment!r:.80}; [onset, offset] in seconds is accepted")
