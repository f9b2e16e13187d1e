import numpy as np
import pytest

from training.own_sounds.wording import LOWEST_GATE, KnownCaptions, find_wordings, templated

EYE = np.eye(4, dtype=np.float32)
KEYS = EYE[:1]


def known(*cosines: float) -> KnownCaptions:
    embeddings = np.stack([cosine * EYE[0] + np.sqrt(1 - cosine**2) * EYE[1] for cosine in cosines])
    labels = tuple("abcdef"[: len(cosines)])
    return KnownCaptions(labels, tuple(f"caption of {label}" for label in labels), embeddings.astype(np.float32))


def test_names_are_used_in_sentences_and_only_once() -> None:
    assert templated(["a kazoo", "a kazoo", "humming"])[:3] == [
        "a kazoo",
        "the sound of a kazoo",
        "a kazoo can be heard",
    ]
    assert len(templated(["a kazoo", "a kazoo", "humming"])) == 10


def test_captions_that_say_the_same_are_told_with_their_labels() -> None:
    assert known(0.5, 0.95).same_words(KEYS) == {"b": "caption of b"}


def test_no_caption_of_a_known_label_opens_the_gate() -> None:
    captions = known(0.2, 0.8)
    wordings = find_wordings(KEYS, captions, frozenset())
    assert wordings.lowest == pytest.approx(0.8)
    assert wordings.full == pytest.approx(0.9)
    assert wordings.gate(captions.embeddings).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert wordings.gate(KEYS).tolist() == [1]


def test_captions_of_ignored_labels_may_open_the_gate() -> None:
    assert find_wordings(KEYS, known(0.2, 0.99), frozenset("b")).lowest == LOWEST_GATE
    assert find_wordings(KEYS, known(0.99), frozenset("a")).lowest == LOWEST_GATE
