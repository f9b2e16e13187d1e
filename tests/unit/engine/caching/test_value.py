from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.caching.value import HEADER_BYTES, PART_BYTES, BadValue
from tests.unit.engine.caching.embeddings import DIMENSION, FORMAT, equal, make_embedding

ONE_PART_FRAMES = (PART_BYTES - HEADER_BYTES) // (2 * DIMENSION)


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


@given(st.integers(0, HEADER_BYTES + 5 * 2 * DIMENSION - 1), st.integers(1, 255))
def test_a_value_with_a_changed_byte_is_not_accepted(place: int, by: int) -> None:
    (part,) = _parts("a")
    changed = part[:place] + bytes([part[place] ^ by]) + part[place + 1 :]
    with suppress(BadValue):
        assert FORMAT.read("a", [changed]) is None  # the header now claims parts that are missing


@given(st.integers(1, HEADER_BYTES + 5 * 2 * DIMENSION - 1))
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
