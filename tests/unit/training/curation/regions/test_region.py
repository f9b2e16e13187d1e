from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.curation.regions.region import (
    Region,
    events_by_recording,
    format_seconds,
    parse_region,
    read_text,
    single_line,
)
from training.data.example import CaptionedEvent

DOG, RAIN = CaptionedEvent(0, 1, "a dog"), CaptionedEvent(1, 2, "rain")


@pytest.mark.parametrize(
    "recording", ["", "/a.wav", "a//b.wav", "../a.wav", "a/./b.wav", "a\tb.wav", "a\nb.wav", "a\0.wav"]
)
def test_a_recording_name_that_is_not_a_relative_path_on_one_line_is_refused(recording: str) -> None:
    with pytest.raises(ValueError, match="a relative path in one line"):
        Region(recording, DOG)


def test_a_region_is_parsed_from_cells_and_its_caption_becomes_one_line() -> None:
    assert parse_region("t.csv, line 2", "a.wav", "0.5", 2, " a\tdog\n barks ") == Region(
        "a.wav", CaptionedEvent(0.5, 2.0, "a dog barks")
    )


@pytest.mark.parametrize(
    ("recording", "onset", "message"),
    [
        ("a.wav", "soon", "could not convert string to float: 'soon'"),
        ("a.wav", "2", "event from 2.0 s"),
        ("", "0", "recording ''"),
    ],
)
def test_an_invalid_region_is_refused_with_its_place(recording: str, onset: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^t.csv, line 2: {message}"):
        parse_region("t.csv, line 2", recording, onset, "1", "a dog")


def test_every_kind_of_white_space_becomes_one_space() -> None:
    assert single_line(" a \t dog\r\nbarks\u2028") == "a dog barks"


def test_text_is_read_without_byte_order_mark_and_with_one_kind_of_line_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffé\r\nb\n".encode())
    assert read_text(tmp_path / "a.txt") == "é\nb\n"


def test_a_file_that_is_not_utf8_is_refused_with_the_position(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ab\xff")
    with pytest.raises(ValueError, match=r"a\.txt: not a text file in UTF-8 \(invalid start byte at byte 2\)"):
        read_text(tmp_path / "a.txt")


@given(st.floats(0, 1e9))
def test_a_formatted_time_has_no_exponent_and_loses_nothing(time_s: float) -> None:
    text = format_seconds(time_s)
    assert "e" not in text.lower()
    assert float(text) == time_s


def test_events_are_grouped_by_recording_in_their_order() -> None:
    regions = [Region("b.wav", RAIN), Region("a.wav", DOG), Region("b.wav", DOG)]
    assert list(events_by_recording(regions).items()) == [("b.wav", [RAIN, DOG]), ("a.wav", [DOG])]
