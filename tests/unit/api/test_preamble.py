import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.preamble import PreambleSkipper
from service.core.request_errors import FormMalformed


@given(st.binary(max_size=40), st.lists(st.integers(1, 9), min_size=60, max_size=60))
def test_what_follows_the_preamble_does_not_depend_on_the_pieces(preamble: bytes, sizes: list[int]) -> None:
    body = preamble + b"\r\n--bound\r\nrest\r\n--bound--"
    skipper, kept, start = PreambleSkipper(b"bound"), b"", 0
    for size in sizes:
        kept += skipper.skip(body[start : start + size])
        start += size
    kept += skipper.skip(body[start:])
    assert kept == b"--bound\r\nrest\r\n--bound--"


def test_a_body_that_begins_with_its_boundary_is_kept_whole() -> None:
    assert PreambleSkipper(b"b").skip(b"--b\r\nrest") == b"--b\r\nrest"


def test_an_endless_preamble_is_refused() -> None:
    skipper = PreambleSkipper(b"b")
    assert skipper.skip(b"x" * 65_000) == b""
    with pytest.raises(FormMalformed, match="no boundary in its first 65536 bytes"):
        skipper.skip(b"x" * 1_000)
