import csv
import json
from pathlib import Path

import pytest

from training.evaluation import real_wording
from training.evaluation.real_wording import (
    REAL_CAPTIONS,
    main,
    plain,
    read_rules,
    read_training_captions,
    texts_by_label,
)

RULES = {rule.label: rule for rule in read_rules()}


@pytest.mark.parametrize(
    ("label", "text", "accepted"),
    [
        ("dog", "a dog barks in the far distance", True),
        ("dog", "a dog barks and a man speaks", False),  # two sounds
        ("dog", "a dog whimpers", False),  # another sound of a dog
        ("dog", "barking followed by silence", False),
        ("crow", "a crowd cheers", False),  # only whole words count
        ("crow", "a crow is cawing repeatedly", True),
        ("rain", "a train passes", False),
        ("footsteps", "one two three four five six seven eight footsteps now", False),  # too long
    ],
)
def test_a_text_describes_a_label_if_it_names_its_sound_alone(label: str, text: str, accepted: bool) -> None:
    assert RULES[label].accepts(text) is accepted


def test_the_committed_texts_follow_the_rules_and_are_not_those_of_training() -> None:
    entries = [json.loads(line) for line in REAL_CAPTIONS.read_text(encoding="utf-8").splitlines()]
    known = read_training_captions()
    assert len(entries) > 50
    for entry in entries:
        assert entry["captions"]
        for text in entry["captions"]:
            assert RULES[entry["label"]].accepts(text)
            assert text == plain(text)
            assert text not in known


def test_texts_that_training_may_use_are_left_out() -> None:
    chosen = texts_by_label(
        ["A dog barks.", "a dog barks", "The dog barks"], [RULES["dog"]], frozenset({"a dog barks"})
    )
    assert chosen == {"dog": ["the dog barks"]}
    assert texts_by_label(["a dog barks"], [RULES["cat"]], frozenset()) == {}


def write(file: Path, column: str, *rows: tuple[str, str]) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerows([("split", column), *rows])


def test_the_command_uses_no_row_of_the_split_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(real_wording, "read_training_captions", frozenset)
    write(tmp_path / "audiogrounding.csv", "phrase", ("train", "a cat meows"), ("val", "one cat meows"))
    write(tmp_path / "audiocaps.csv", "caption", ("train", "a dog barks"), ("test", "one dog barks"))
    (tmp_path / "tacos.csv").write_text("filename,text\n1.mp3,Two dogs bark.\n")
    main([str(tmp_path), "--out", str(tmp_path / "out.jsonl")])
    entries = {e["label"]: e["captions"] for e in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    assert {label: sorted(texts) for label, texts in entries.items()} == {
        "cat": ["one cat meows"],
        "dog": ["one dog barks", "two dogs bark"],
    }
    assert capsys.readouterr().out == "3 texts of 2 labels\n"


def test_a_folder_without_captions_is_refused_with_a_message(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot be mapped: .*audiogrounding.csv"):
        main([str(tmp_path), "--out", str(tmp_path / "out.jsonl")])
