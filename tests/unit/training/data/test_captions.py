import numpy as np
import pytest

from training.data.captions import (
    FOLDER,
    NEGATIVE,
    POSITIVE,
    UNKNOWN,
    LabelCaptions,
    captions_for_labels,
    label_relations,
    read_label_captions,
)

DOGS = (
    LabelCaptions("dog", ("a dog",)),
    LabelCaptions("bark", ("a bark",), also=("dog",)),
    LabelCaptions("puppy bark", ("a puppy",), also=("bark",), unsure=("coyote",)),
    LabelCaptions("coyote", ("a coyote",)),
)


def test_a_label_is_positive_for_what_it_implies_and_unknown_for_what_it_may_be() -> None:
    expected = [
        [POSITIVE, UNKNOWN, UNKNOWN, NEGATIVE],
        [POSITIVE, POSITIVE, UNKNOWN, NEGATIVE],
        [POSITIVE, POSITIVE, POSITIVE, UNKNOWN],
        [NEGATIVE, NEGATIVE, UNKNOWN, POSITIVE],
    ]
    np.testing.assert_array_equal(label_relations(DOGS, [False] * 4), expected)


def test_doubtful_pairs_of_curated_labels_are_negatives() -> None:
    table = label_relations(DOGS, [True, False, True, True])
    assert table[2, 3] == table[3, 2] == NEGATIVE
    assert table[2, 0] == UNKNOWN
    assert table[1, 0] == POSITIVE


def test_a_label_without_written_captions_gets_captions_from_templates() -> None:
    (entry,) = captions_for_labels(["kazoo"], {})
    assert "kazoo" in entry.captions


@pytest.mark.parametrize("name", ["labels.jsonl", "audioset.jsonl", "validation.jsonl"])
def test_the_written_captions_are_clean(name: str) -> None:
    for entry in read_label_captions(FOLDER / name).values():
        assert len(set(entry.captions)) >= 3
        assert all(caption == caption.strip() and 0 < len(caption) < 120 for caption in entry.captions)


def test_every_related_label_has_captions() -> None:
    written = read_label_captions(FOLDER / "labels.jsonl")
    validation = read_label_captions(FOLDER / "validation.jsonl")
    known = set(written) | set(validation)
    assert {name for e in written.values() for name in (*e.also, *e.unsure)} <= known


def test_validation_captions_are_not_among_the_training_captions() -> None:
    seen = {caption for name in ("labels", "audioset") for e in read_label_captions(FOLDER / f"{name}.jsonl").values()
            for caption in (e.label.lower(), *e.captions)}  # fmt: skip
    held_out = {caption for e in read_label_captions(FOLDER / "validation.jsonl").values() for caption in e.captions}
    assert not seen & held_out
