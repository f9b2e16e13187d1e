from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.towers.sentence_cache import SentenceCache, encoder_key


class CountingEncoder:
    """Embeds a caption as its length, and remembers what it embedded."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def __call__(self, captions: Sequence[str]) -> Tensor:
        self.encoded += captions
        return torch.tensor([[float(len(caption)), 1.0] for caption in captions]).reshape(-1, 2)


def test_a_caption_is_encoded_once_in_this_run_and_the_next(tmp_path: Path) -> None:
    file, encoder = tmp_path / "new" / "sentences.pt", CountingEncoder()
    cache = SentenceCache(file, "key")
    assert cache.encode(["a", "bcd", "a"], encoder)[:, 0].tolist() == [1, 3, 1]
    assert cache.encode(["bcd", "ef"], encoder)[:, 0].tolist() == [3, 2]
    assert SentenceCache(file, "key").encode(["ef", "a"], encoder)[:, 0].tolist() == [2, 1]
    assert encoder.encoded == ["a", "bcd", "ef"]


@pytest.mark.parametrize("content", [None, b"", b"not a file of torch"])
def test_another_key_or_a_damaged_file_starts_anew(tmp_path: Path, content: bytes | None) -> None:
    file, encoder = tmp_path / "sentences.pt", CountingEncoder()
    SentenceCache(file, "other").encode(["a"], encoder)
    if content is not None:
        file.write_bytes(content)
    assert SentenceCache(file, "key").encode(["a"], encoder).tolist() == [[1, 1]]
    assert encoder.encoded == ["a", "a"]


def test_no_captions_give_no_rows(tmp_path: Path) -> None:
    assert SentenceCache(tmp_path / "sentences.pt", "key").encode([], CountingEncoder()).shape == (0, 2)


def test_the_key_depends_on_weights_and_settings() -> None:
    layer = nn.Linear(2, 2)
    key = encoder_key(layer, "mean")
    assert key == encoder_key(layer, "mean")
    assert key != encoder_key(layer, "first")
    with torch.no_grad():
        layer.bias += 1
    assert key != encoder_key(layer, "mean")
