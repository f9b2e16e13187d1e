import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.word_encoder import WordEncoder
from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN, read_label_captions
from training.data.pack import Recording
from training.synthesis.vocabulary import Vocabulary, build_vocabulary

ENCODER: Any = WordEncoder("dog", "puppy", "rain", "vehicle")
CAPTIONS = [
    {"label": "dog", "captions": ["a dog barks"]},
    {"label": "puppy", "captions": ["a puppy yaps"], "also": ["dog"]},
]


def recording(label: str, title: str = "", split: str = "train") -> Recording:
    return Recording(Path(f"{label}.wav"), label, split, title)


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("captions") / "labels.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in CAPTIONS), encoding="utf-8")
    return file


def vocabulary_of(recordings: Sequence[Recording], captions: Path | None, *classes: str) -> Vocabulary:
    written = read_label_captions(captions) if captions else {}
    return build_vocabulary(recordings, written, classes, None, ENCODER)


def test_labels_have_the_order_of_the_recordings_and_written_captions_where_there_are_any(captions: Path) -> None:
    vocabulary = vocabulary_of([recording("rain"), recording("dog"), recording("rain")], captions)
    assert vocabulary.index() == {"rain": 0, "dog": 1}
    assert vocabulary.bank.of_subjects() == [("rain", "the sound of rain", "rain can be heard"), ("a dog barks",)]


def test_a_title_becomes_a_caption_if_it_means_the_label_and_the_recording_is_trained_on(captions: Path) -> None:
    titles = [recording("dog", "my dog"), recording("dog", "rain"), recording("dog", "dog at home", split="val")]
    assert vocabulary_of(titles, captions).bank.of_subjects() == [("a dog barks", "my dog")]


def test_a_puppy_is_a_dog_and_a_dog_may_be_a_puppy(captions: Path) -> None:
    vocabulary = vocabulary_of([recording("dog"), recording("puppy"), recording("rain")], captions)
    assert vocabulary.relation.tolist() == [
        [POSITIVE, UNKNOWN, NEGATIVE],
        [POSITIVE, POSITIVE, NEGATIVE],
        [NEGATIVE, NEGATIVE, POSITIVE],
    ]


def test_labels_with_ten_recordings_each_count_as_curated(captions: Path) -> None:
    vocabulary = vocabulary_of([recording("dog")] * 10 + [recording("puppy")] * 10, captions)
    assert vocabulary.relation.tolist() == [[POSITIVE, NEGATIVE], [UNKNOWN, POSITIVE]]


def test_a_class_is_related_to_the_label_that_it_may_be(captions: Path) -> None:
    vocabulary = vocabulary_of([recording("dog"), recording("rain")], captions, "Dog", "Vehicle")
    assert vocabulary.class_bank is not None
    assert vocabulary.class_bank.of_subjects()[0][0] == "dog"
    assert vocabulary.related.tolist() == [[True, False], [False, False]]


def test_without_classes_nothing_is_related(captions: Path) -> None:
    vocabulary = vocabulary_of([recording("dog")], captions)
    assert vocabulary.class_bank is None
    assert vocabulary.related.shape == (1, 0)
