from typing import get_args

import pytest

from service.formats.registry import FORMATS, FormatName, TableName, negotiate, render
from tests.unit.formats.documents import DOCUMENT


def test_every_name_has_a_format_and_a_writer() -> None:
    assert tuple(FORMATS) == get_args(FormatName)
    assert set(get_args(TableName)) == set(FORMATS) - {"json", "ndjson"}
    for name in get_args(TableName):
        assert "rain" in render(name, DOCUMENT)


def test_every_media_type_chooses_its_format() -> None:
    for name, each in FORMATS.items():
        assert negotiate(each.content_type).name == name


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "json"),
        ("text/html", "json"),
        ("TEXT/CSV", "csv"),
        ("text/*", "csv"),
        ("application/*", "json"),
        ("text/tab-separated-values", "dcase"),
        ('text/tab-separated-values; profile="raven"', "raven"),
        ("text/tab-separated-values;profile=other", "json"),
        ("text/csv;q=0, */*", "json"),
        ("application/json;q=0.1, text/vtt;q=0.2", "webvtt"),
        ("application/json;q=0, */*;q=0.1", "ndjson"),
        ("text/csv;q=oops, text/vtt;q=0.1", "webvtt"),
        ("text/csv;q=nan", "json"),
        ("text/csv; charset=utf-8; q=0.5", "csv"),
        (";;,,;q=1,/", "json"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, name: str) -> None:
    assert negotiate(accept).name == name
