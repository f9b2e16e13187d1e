"""AudioGrounding 2 (arXiv 2102.11474, 2401.02584): recordings of AudioCaps, with the times of each phrase of a caption.

The folder, as the Zenodo record that https://github.com/wsntxxn/TextToAudioGrounding links unpacks:

    train.json, val.json, test.json   [{"audiocap_id", "audio_id": "Y<youtube id>.wav", "tokens",
                                        "phrases": [{"phrase", "start_index", "end_index",
                                                     "segments": [[onset, offset], ...]}, ...]}, ...], in seconds
    anywhere below                    the audio files, by `audio_id`, in any format

One item is one example, also where two items caption the same recording: evaluation makes them one again. The
caption is its tokens with single spaces. Splits whose table is there are read.
"""

from pathlib import Path, PurePath
from typing import Any

from training.data.audio_files import AudioIndex
from training.data.example import CaptionedEvent, Example
from training.data.issues import DataIssues
from training.data.tables import existing_tables, read_json, required_list, required_text


def read_audio_grounding(folder: Path, issues: DataIssues) -> list[Example]:
    """The items of all tables, in their order; a broken phrase or segment is left out of its item.

    Raises:
        FileNotFoundError: no table is there.
        ValueError: a table is not as published.
    """
    audio, examples = AudioIndex(folder), list[Example]()
    for table, split in existing_tables(folder, {f"{split}.json": split for split in ("train", "val", "test")}).items():
        items = read_json(table)
        if not isinstance(items, list):
            raise ValueError(f"{table} holds no list of items")
        for number, item in enumerate(items):
            where = f"{table}, item {number}"
            with issues.record_errors(where):
                path = audio.find(PurePath(required_text(item, "audio_id")).stem)
                events = _events(required_list(item, "phrases"), where, issues)
                examples.append(Example(path, split, (_words(item, "tokens"),), tuple(events)))
    return examples


def _events(phrases: list[Any], where: str, issues: DataIssues) -> list[CaptionedEvent]:
    events: list[CaptionedEvent] = []
    for number, phrase in enumerate(phrases):
        place = f"{where}, phrase {number}"
        with issues.record_errors(place):
            caption, segments = _words(phrase, "phrase"), required_list(phrase, "segments")
            if not segments:
                raise ValueError(f"{caption!r} has no segments")
            for segment in segments:
                with issues.record_errors(place):
                    events.append(CaptionedEvent(*_seconds(segment), caption))
    return events


def _words(item: Any, name: str) -> str:
    """Tokens are published as text with spaces, and as lists."""
    if isinstance(item, dict) and isinstance(item.get(name), list):
        item = {name: " ".join(map(str, item[name]))}
    return required_text(item, name)


def _seconds(segment: Any) -> tuple[float, float]:
    match segment:
        case [float() | int() as onset, float() | int() as offset]:
            return float(onset), float(offset)
    raise ValueError(f"segment {segment!r:.80}; [onset, offset] in seconds is accepted")
