from pathlib import Path

import pytest

from tests.tiny_pack import build_tiny_pack
from training.data.datasets import read_dataset
from training.data.example import CaptionedEvent, Example


def test_a_pack_is_captioned_with_its_labels(tmp_path):
    examples = read_dataset("pack", build_tiny_pack(tmp_path))
    assert examples
    assert all(example.captions and not example.events for example in examples)


def test_an_unknown_data_set_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"'birds'; one of .*pack"):
        read_dataset("birds", tmp_path)


@pytest.mark.parametrize(
    ("onset_s", "offset_s", "caption"), [(-1, 2, "a"), (2, 2, "a"), (0, float("inf"), "a"), (0, 1, " ")]
)
def test_an_event_that_cannot_be_is_refused(onset_s, offset_s, caption):
    with pytest.raises(ValueError, match=f"event from {onset_s} s"):
        CaptionedEvent(onset_s, offset_s, caption)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train, val, test"):
        Example(Path("a.wav"), "dev")
