import json
import re
from pathlib import Path

import pytest

from training.data.phrases import (
    MOST_PHRASES,
    held_out_captions,
    main,
    phrases_of_labels,
    read_phrases,
    read_rules,
    read_texts,
    stripped,
)

RULES = {"dog": re.compile("dogs? barks?"), "rain": re.compile("rain falls")}


def test_neutral_words_and_punctuation_are_stripped() -> None:
    assert stripped("Several dogs bark loudly, in the distance.") == "dogs bark"


def test_a_text_that_names_another_sound_describes_no_label() -> None:
    texts = ["A dog barks.", "a dog barks and a man speaks", "rain falls", "the dog barks", "a dog barks"]
    assert phrases_of_labels(texts, RULES) == {"dog": ["a dog barks", "the dog barks"], "rain": ["rain falls"]}


def test_a_label_has_a_limited_number_of_phrases() -> None:
    texts = ["a dog barks" + " loudly" * n for n in range(6)] + [
        f"{word} dog barks" for word in ("a", "the", "some", "two")
    ]
    many = [f"{a} {b} dog barks" for a in ("a", "the", "some", "two") for b in ("big", "small", "loud", "quiet")]
    assert len(phrases_of_labels(texts + many, RULES)["dog"]) == MOST_PHRASES


def test_only_train_rows_are_read_and_a_table_without_texts_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("split,caption\ntrain,rain falls\ntest,a dog barks\n", encoding="utf-8")
    assert read_texts(table) == ["rain falls"]
    table.write_text("split,text\ntrain,rain falls\n", encoding="utf-8")
    with pytest.raises(ValueError, match="a column 'phrase' or 'caption' is accepted"):
        read_texts(table)


def test_the_committed_phrases_follow_the_committed_rules() -> None:
    rules = read_rules()
    for label, phrases in read_phrases().items():
        assert 0 < len(phrases) <= MOST_PHRASES
        assert all(rules[label].fullmatch(stripped(phrase)) for phrase in phrases), label


def test_no_committed_phrase_is_held_out_for_the_benchmark() -> None:
    held_out = held_out_captions()
    assert len(held_out) > 300
    assert not held_out & {phrase for phrases in read_phrases().values() for phrase in phrases}
    assert phrases_of_labels(["a dog barks", "rain falls"], RULES, {"rain falls"}) == {
        "dog": ["a dog barks"],
        "rain": [],
    }


def test_the_command_writes_phrases_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "rules.jsonl").write_text(json.dumps({"label": "rain", "words": "rain falls"}) + "\n", encoding="utf-8")
    (tmp_path / "table.csv").write_text("split,phrase\ntrain,Rain falls.\n", encoding="utf-8")
    out = tmp_path / "phrases.jsonl"
    main([str(tmp_path / "table.csv"), "--rules", str(tmp_path / "rules.jsonl"), "--out", str(out)])
    assert read_phrases(out) == {"rain": ("rain falls",)}
