import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_audio import write_burst
from training.data.datasets import read_dataset, read_with_issues
from training.data.example import CaptionedEvent

DOG = {"phrase": "a dog", "start_index": 0, "end_index": 1, "segments": [[1, 3], [7.5, 8]]}


def item(audio: str, phrases: Any, **other: Any) -> dict[str, Any]:
    return {"audiocap_id": 1, "audio_id": audio, "tokens": "a dog barks , then rain", "phrases": phrases} | other


def build(folder: Path, train: Any = ()) -> Path:
    write_burst(folder / "audio" / "train" / "Yabc.wav", 10.0)
    write_burst(folder / "audio" / "test" / "Y-_x.wav", 10.0)
    (folder / "train.json").write_text(json.dumps([item("Yabc.wav", [DOG]), *train]))
    tokens = ["rain", "falls"]
    rain = {"phrase": ["rain"], "segments": [[0.0, 10.0]]}
    (folder / "test.json").write_text(json.dumps([item("Y-_x.wav", [rain], tokens=tokens)]))
    return folder


def test_each_segment_of_a_phrase_is_an_event_and_the_tokens_are_the_caption(tmp_path: Path) -> None:
    dog, rain = read_dataset("audio-grounding", build(tmp_path))
    assert (dog.path.name, dog.split, dog.captions) == ("Yabc.wav", "train", ("a dog barks , then rain",))
    assert dog.events == (CaptionedEvent(1, 3, "a dog"), CaptionedEvent(7.5, 8, "a dog"))
    assert (rain.split, rain.captions, rain.events) == ("test", ("rain falls",), (CaptionedEvent(0, 10, "rain"),))


def test_items_of_one_recording_become_separate_examples(tmp_path: Path) -> None:
    examples = read_dataset("audio-grounding", build(tmp_path, [item("Yabc.wav", [DOG], tokens="a dog")]))
    assert [example.captions for example in examples[:2]] == [("a dog barks , then rain",), ("a dog",)]


def test_broken_phrases_segments_and_items_are_recorded_and_the_rest_is_kept(tmp_path: Path) -> None:
    phrases = [{"phrase": "a cat", "segments": []}, {"phrase": "", "segments": [[0, 1]]}, {"phrase": "rain"},
               {"phrase": "wind", "segments": [[2, 1], "x", [4, 5]]}]  # fmt: skip
    broken = [item("Yabc.wav", phrases), item("Ygone.wav", [DOG]), item("Yabc.wav", "none"), 7]
    reading = read_with_issues("audio-grounding", build(tmp_path, broken))
    assert reading.examples[1].events == (CaptionedEvent(4, 5, "wind"),)
    assert [str(issue).removeprefix(f"{tmp_path}/") for issue in reading.issues] == [
        "train.json, item 1, phrase 0: 'a cat' has no segments",
        "train.json, item 1, phrase 1: phrase is ''; text is accepted",
        "train.json, item 1, phrase 2: segments is None; a list is accepted",
        "train.json, item 1, phrase 3: event from 2.0 s to 1.0 s; 0 <= onset < offset is accepted",
        "train.json, item 1, phrase 3: segment 'x'; [onset, offset] in seconds is accepted",
        "train.json, item 3: phrases is 'none'; a list is accepted",
        "train.json, item 4: audio_id is None; text is accepted",
        "Ygone.*: file not found",
    ]


def test_a_table_that_is_not_a_list_is_an_error(tmp_path: Path) -> None:
    (build(tmp_path) / "train.json").write_text('{"data": []}')
    with pytest.raises(ValueError, match=r"train.json does not hold a list of items"):
        read_dataset("audio-grounding", tmp_path)
