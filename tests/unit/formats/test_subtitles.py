import io
from datetime import timedelta
from html import unescape

import pytest
import srt
import webvtt

from service.formats.document import Detection
from service.formats.subtitles import as_srt, as_webvtt
from tests.unit.formats.documents import BY_TIME, DOCUMENT, EMPTY, make_document


def test_webvtt_is_read_by_webvtt_py() -> None:
    captions = webvtt.from_string(as_webvtt(DOCUMENT)).captions
    assert [unescape(caption.raw_text) for caption in captions] == [query for query, *_ in BY_TIME]
    assert [(caption.start, caption.end) for caption in captions] == [
        ("00:00:00.000", "02:00:05.500"),
        ("00:00:00.040", "00:00:00.080"),
        ("01:02:05.120", "01:02:06.000"),
    ]
    assert as_webvtt(EMPTY) == "WEBVTT\n\n"
    assert webvtt.from_string(as_webvtt(EMPTY)).captions == []


def test_a_query_is_no_markup_in_webvtt() -> None:
    assert "<b>" not in as_webvtt(DOCUMENT)
    assert as_webvtt(DOCUMENT).count("-->") == 3


def test_subrip_is_read_by_srt() -> None:
    subtitles = list(srt.parse(io.StringIO(as_srt(DOCUMENT)), ignore_errors=False))
    assert [subtitle.content for subtitle in subtitles] == [query.replace("-->", "->") for query, *_ in BY_TIME]
    assert [subtitle.start.total_seconds() for subtitle in subtitles] == [onset for _, onset, *_ in BY_TIME]
    assert as_srt(EMPTY) == ""


@pytest.mark.parametrize("query", ["a --> b", "a ---> b", "----->", "--->-->", "00:00:01,000 ----> 00:00:02,000"])
def test_no_query_is_a_line_of_times_in_subrip(query: str) -> None:
    text = as_srt(make_document(Detection(query, 1.0, 2.0, 0.9, 1.0)))
    assert text.count("-->") == 1
    assert len(list(srt.parse(text, ignore_errors=False))) == 1


def test_a_segment_shorter_than_a_millisecond_is_shown() -> None:
    tiny = make_document(Detection("click", 1.0001, 1.0002, 0.9, 1.0001))
    (subtitle,) = srt.parse(as_srt(tiny))
    assert subtitle.end - subtitle.start == timedelta(milliseconds=1)


def test_a_clip_of_more_than_99_hours_keeps_its_times() -> None:
    (subtitle,) = srt.parse(as_srt(make_document(Detection("rain", 400_000.0, 400_001.5, 0.9, 400_000.0))))
    assert subtitle.start.total_seconds() == 400_000
