from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.warnings import AnswerWarning
from service.engine.caching.value import HEADER_BYTES, PART_BYTES, BadValue, ValueFormat
from service.engine.clip_embedding import ClipEmbedding
from service.engine.clip_warnings import MAX_WARNINGS
from tests.unit.engine.caching.embeddings import DIMENSION, FORMAT, HOP_S, equal, make_embedding

ONE_PART_FRAMES = (PART_BYTES - HEADER_BYTES - len("[]")) // (2 * DIMENSION)


def _parts(name: str, n_frames: int = 5) -> list[bytes]:
    return [bytes(part) for part in FORMAT.write(name, make_embedding(name, n_frames))]


@pytest.mark.parametrize(
    ("n_frames", "n_parts"), [(1, 1), (ONE_PART_FRAMES, 1), (ONE_PART_FRAMES + 1, 2), (3 * ONE_PART_FRAMES, 3)]
)
def test_an_embedding_of_any_length_is_read_as_it_was_written(n_frames: int, n_parts: int) -> None:
    parts = _parts("a", n_frames)
    assert [len(part) for part in parts[:-1]] == [PART_BYTES] * (n_parts - 1)
    assert equal(FORMAT.read("a", [*parts, b"", b""]), make_embedding("a", n_frames))
    assert FORMAT.is_whole(parts[0][:HEADER_BYTES], [len(part) for part in parts])


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_an_embedding_with_a_missing_part_is_missing(missing: int) -> None:
    parts = _parts("a", 3 * ONE_PART_FRAMES)
    parts[missing] = b""
    assert FORMAT.read("a", parts) is None
    assert not FORMAT.is_whole(parts[0][:HEADER_BYTES], [len(part) for part in parts])


def test_a_value_with_more_parts_than_were_read_is_missing_but_not_bad() -> None:
    parts = _parts("a", 3 * ONE_PART_FRAMES)
    assert FORMAT.read("a", parts[:2]) is None


@given(st.integers(0, HEADER_BYTES + len("[]") + 5 * 2 * DIMENSION - 1), st.integers(1, 255))
def test_a_value_with_a_changed_byte_is_not_accepted(place: int, by: int) -> None:
    (part,) = _parts("a")
    changed = part[:place] + bytes([part[place] ^ by]) + part[place + 1 :]
    with suppress(BadValue):
        assert FORMAT.read("a", [changed]) is None  # the header now claims parts that are missing


@given(st.integers(1, HEADER_BYTES + len("[]") + 5 * 2 * DIMENSION - 1))
def test_a_truncated_value_is_bad(length: int) -> None:
    (part,) = _parts("a")
    with pytest.raises(BadValue):
        FORMAT.read("a", [part[:length]])


def test_a_value_with_bytes_after_its_end_is_bad() -> None:
    (part,) = _parts("a")
    with pytest.raises(BadValue):
        FORMAT.read("a", [part + b"\0"])


def test_another_clips_value_is_bad() -> None:
    with pytest.raises(BadValue):
        FORMAT.read("b", _parts("a"))


@pytest.mark.parametrize("changes", [{"dimension": DIMENSION // 2}, {"hop_s": 0.02}])
def test_another_models_value_is_bad(changes: dict) -> None:
    with pytest.raises(BadValue):
        replace(FORMAT, **changes).read("a", _parts("a"))


@given(st.binary(min_size=1, max_size=100))
def test_garbage_is_bad(garbage: bytes) -> None:
    with pytest.raises(BadValue):
        FORMAT.read("a", [garbage])


KEY = b"a secret of the operator"
KEYED = replace(FORMAT, key=KEY)
WARNED = replace(
    make_embedding("a", 5),
    warnings=(
        AnswerWarning("sound-lost", "0.1 s is lost", 0.05, 0.15),
        AnswerWarning("digital-silence", "Stille — ничего"),
    ),
)


def _forge(embedding: ClipEmbedding, value_format: ValueFormat = FORMAT) -> list[bytes]:
    """The parts of an embedding with a right tag."""
    return [bytes(part) for part in value_format.write("a", embedding)]


@pytest.mark.parametrize("value_format", [FORMAT, KEYED])
def test_warnings_are_read_as_they_were_written(value_format: ValueFormat) -> None:
    embedding = value_format.read("a", _forge(WARNED, value_format))
    assert equal(embedding, WARNED)
    assert embedding is not None
    assert embedding.warnings == WARNED.warnings


def test_the_most_and_longest_warnings_fit() -> None:
    warning = AnswerWarning("samples-out-of-range", "\N{HEAVY EXCLAMATION MARK SYMBOL}" * 500, 0.01, 0.123456789)
    full = replace(WARNED, warnings=(warning,) * MAX_WARNINGS)
    embedding = FORMAT.read("a", _forge(full))
    assert embedding is not None
    assert embedding.warnings == full.warnings


@pytest.mark.parametrize(
    "content",
    [
        b"{}x",
        b"[" * 100_000,
        b'[["sound-lost", "a", 0.1, Infinity]]',
        b'[["sound-lost", "a", NaN, NaN]]',
        b'[["sound-lost", "a", 0.1, 99]]',
        b'[["sound-lost", "a", 0.2, 0.1]]',
        b'[["sound-lost", "\\ud800", null, null]]',
        b'[["unheard-of", "a", null, null]]',
        b'[[["sound-lost"], "a", null, null]]',
        b'[["sound-lost", "' + b"a" * 501 + b'", null, null]]',
        b"[[1]]",
        b'[["sound-lost", "a", 1e400, 1e401]]',
        b'[["sound-lost", "a", 0, 1' + b"0" * 4000 + b"]]",
        b"[" + b",".join([b'["digital-silence", "a", null, null]'] * (MAX_WARNINGS + 1)) + b"]",
        b"\xff",
        b"",
    ],
    ids=lambda content: content[:40],
)
def test_malformed_warnings_under_a_right_tag_are_bad(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.engine.caching.value.warnings_to_bytes", lambda _: content)
    parts = _forge(make_embedding("a", 5))
    monkeypatch.undo()
    with pytest.raises(BadValue):
        FORMAT.read("a", parts)


@pytest.mark.parametrize("frame", [0, 4999])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.5, 60_000])
def test_frames_that_are_not_finite_or_not_of_unit_norm_are_bad_under_a_right_tag(value: float, frame: int) -> None:
    stored = make_embedding("a", 5000).stored.copy()
    stored[frame, :] = value
    with pytest.raises(BadValue):
        FORMAT.read("a", _forge(ClipEmbedding(stored, 5000 * HOP_S)))


@pytest.mark.parametrize("duration_s", [0.16, 0.2001, 1e9, np.nan, np.inf, 0, -1])
def test_a_duration_that_does_not_end_in_the_last_frame_is_bad(duration_s: float) -> None:
    with pytest.raises(BadValue):
        FORMAT.read("a", _forge(ClipEmbedding(make_embedding("a", 5).stored.copy(), duration_s)))


@pytest.mark.parametrize("reader", [FORMAT, replace(FORMAT, key=b"another secret of somebody")])
def test_a_value_that_was_written_with_another_key_or_without_is_bad(reader: ValueFormat) -> None:
    with pytest.raises(BadValue):
        reader.read("a", _forge(WARNED, KEYED))
    with pytest.raises(BadValue):
        KEYED.read("a", _forge(WARNED, reader))


@given(st.integers(0, HEADER_BYTES + 200), st.integers(1, 255))
def test_a_keyed_value_with_a_changed_byte_is_not_accepted(place: int, by: int) -> None:
    (part,) = _forge(WARNED, KEYED)
    changed = part[:place] + bytes([part[place] ^ by]) + part[place + 1 :]
    with suppress(BadValue):
        assert KEYED.read("a", [changed]) is None  # the header now claims parts that are missing


def test_the_name_of_a_key_does_not_contain_it() -> None:
    assert len({FORMAT.key_id, KEYED.key_id, replace(FORMAT, key=KEY + b"!").key_id}) == 3
    assert "secret" not in repr(KEYED)
