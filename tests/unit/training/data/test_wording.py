import json
from pathlib import Path

import numpy as np
import pytest

from training.data.captions import FOLDER, LabelCaptions, read_label_captions
from training.data.phrases import PHRASES, held_out_captions
from training.data.wording import WordingConfig, plural, reordered, reworded, variants, without_article

ENTRIES = {
    "dog": LabelCaptions("dog", ("a dog barks", "barking"), also=("animal",)),
    "rain": LabelCaptions("rain", ("rain",)),
}


@pytest.mark.parametrize(
    ("singular", "several"),
    [
        ("a dog barks", "dogs bark"),
        ("the baby cries loudly", "babies cry loudly"),
        ("a man is speaking", "men are speaking"),
        ("a bus passes", "buses pass"),
        ("a glass crashes", "glasses crash"),
        ("a fierce growl", "a fierce growl"),
        ("rain falls", "rain falls"),
    ],
)
def test_one_thing_becomes_several(singular: str, several: str) -> None:
    assert plural(singular) == several


def test_words_change_places_and_articles_go() -> None:
    assert [reordered(text) for text in ("dog barking", "rain, then thunder", "a dog barks")] == [
        "barking dog",
        "then thunder, rain",
        "a dog barks",
    ]
    assert without_article("a dog at the door") == "dog at door"


def test_variants_are_different_from_each_other_and_from_the_captions() -> None:
    drawn = variants(np.random.default_rng(0), ["a dog barks"], 40)
    assert 10 < len(drawn) <= 40
    assert len(set(drawn)) == len(drawn)
    assert "a dog barks" not in drawn
    assert all("bark" in text for text in drawn)


def test_without_settings_captions_stay_as_they_are() -> None:
    assert reworded(ENTRIES, WordingConfig()) == ENTRIES


def test_phrases_and_variants_extend_the_captions_and_relations_stay(tmp_path: Path) -> None:
    file = tmp_path / "phrases.jsonl"
    file.write_text(json.dumps({"label": "dog", "phrases": ["dogs bark", "barking"]}) + "\n", encoding="utf-8")
    result = reworded(ENTRIES, WordingConfig(file, 5))
    assert result["dog"].captions[:3] == ("a dog barks", "barking", "dogs bark")
    assert len(result["dog"].captions) > 3
    assert result["dog"].also == ("animal",)
    assert result == reworded(ENTRIES, WordingConfig(file, 5))


def test_no_added_caption_is_held_out_for_the_benchmark(tmp_path: Path) -> None:
    held_out = sorted(held_out_captions())
    file = tmp_path / "phrases.jsonl"
    file.write_text(json.dumps({"label": "dog", "phrases": [held_out[0], "a dog yelps"]}) + "\n", encoding="utf-8")
    assert reworded(ENTRIES, WordingConfig(file))["dog"].captions == ("a dog barks", "barking", "a dog yelps")
    every = reworded(read_label_captions(FOLDER / "labels.jsonl"), WordingConfig(PHRASES, 8))
    written = {text for entry in read_label_captions(FOLDER / "labels.jsonl").values() for text in entry.captions}
    added = {text.lower() for entry in every.values() for text in entry.captions} - written
    assert len(added) > 5000
    assert not added & set(held_out)
