import json
from pathlib import Path

import pytest

from service.core.bundle_errors import TokenizerInvalid
from service.engine.query_tokenizer import open_tokenizer

EMPTY = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": {"type": "BPE", "vocab": {}, "merges": []},
}


def _word_level(**vocabulary: int) -> dict:
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    return EMPTY | {"model": model, "pre_tokenizer": {"type": "Whitespace"}}


def test_long_texts_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(_word_level(a=0, dog=1)))
    with pytest.raises(TokenizerInvalid):  # "barks" has no token, and neither has [UNK]
        open_tokenizer(path, 4)
    path.write_text(json.dumps(_word_level(**{"a": 0, "dog": 1, "[UNK]": 2})))
    assert open_tokenizer(path, 4).encode("a dog barks a dog barks").ids == [0, 1, 2, 0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"\x80\x04pickle",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        json.dumps(EMPTY | {"version": "9"}).encode(),
        json.dumps(EMPTY | {"model": {"type": "Unheard"}}).encode(),
        json.dumps(EMPTY | {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}).encode(),
        json.dumps(EMPTY | {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}).encode(),
        json.dumps(EMPTY).encode(),
        json.dumps(EMPTY | {"normalizer": {"type": "Replace", "pattern": {"Regex": "("}, "content": ""}}).encode(),
    ],
    ids=lambda content: content[:30].decode("latin-1"),
)
def test_what_is_no_tokenizer_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(TokenizerInvalid) as caught:
        open_tokenizer(path, 4)
    line = str(caught.value)
    assert line.startswith("tokenizer.json cannot be used: ")
    assert line.endswith("(EARMARK_BUNDLE)")
    assert "\n" not in line
    assert len(line) < 400
