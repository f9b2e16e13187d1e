import json

import pytest

from service.api.search_body import Cursor, SearchBody, as_list, read_search_body
from service.core.errors import EarmarkError, ParameterInvalid
from service.core.request_errors import FieldUnknown, FormMalformed


def _read(**members: object) -> SearchBody:
    return read_search_body(json.dumps(members).encode())


def test_a_search_has_defaults_and_single_texts_are_lists() -> None:
    body = _read(query="a dog", threshold=0.4, merge_gap_s=1)
    assert (body.limit, body.exact, body.where, body.facets) == (20, False, "", [])
    assert body.overrides == {"threshold": 0.4, "merge_gap_s": 1.0}
    assert as_list(body.query) == ["a dog"]
    assert as_list(_read(query=["a", "b"]).query) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", FormMalformed, "cannot be read as application/json"),
        (b"[]", FormMalformed, "it is not an object"),
        (b"\xff", FormMalformed, "utf-8"),
        (b'{"query": "\\ud800"}', FormMalformed, "can.t encode"),
        (b"[" * 100_000, FormMalformed, "application/json"),
        (b'{"zone": 1}', FieldUnknown, "field zone is unknown"),
        (b'{"limit": 0}', ParameterInvalid, "limit is 0; accepted: greater than or equal to 1"),
        (b'{"limit": 101}', ParameterInvalid, "limit is 101"),
        (b'{"limit": "20"}', ParameterInvalid, "limit is '20'"),
        (b'{"limit": true}', ParameterInvalid, "limit is True"),
        (b'{"query": [1]}', ParameterInvalid, "query is [1]"),
        (b'{"exact": "yes"}', ParameterInvalid, "exact is 'yes'"),
        (b'{"threshold": NaN}', ParameterInvalid, "threshold is nan"),
        (b'{"threshold": 1e999}', ParameterInvalid, "threshold is inf"),
        (b'{"where": "' + b"x" * 3000 + b'"}', ParameterInvalid, "where is 'xxx"),
        (b'{"facets": ["a","b","c","d","e","f","g","h","i","j","k"]}', ParameterInvalid, "facets"),
    ],
)
def test_what_is_not_accepted_is_refused(content: bytes, kind: type[EarmarkError], message: str) -> None:
    with pytest.raises(kind, match=message.replace("[", r"\[")):
        read_search_body(content)


def test_pages_of_one_search_have_the_same_digest_whatever_their_size() -> None:
    first = _read(query="a dog", limit=5)
    assert _read(query="a dog", limit=50, cursor="x").digest == first.digest
    assert _read(query="a cat", limit=5).digest != first.digest


def test_a_cursor_survives_its_text_and_belongs_to_one_search() -> None:
    cursor = Cursor(20, (-0.123456789, 2**61 + 1, 12.34, 0))
    text = cursor.to_text("d1")
    assert Cursor.of_text(text, "d1") == cursor
    with pytest.raises(ParameterInvalid, match="another search"):
        Cursor.of_text(text, "d2")


@pytest.mark.parametrize("text", ["x", "====", "W10=", "bnVsbA==", "eyJhIjoxfQ==", "é", "WyJkMSIsMSwxLDEsMSwxZTk5OTld"])
def test_other_texts_are_no_cursors(text: str) -> None:
    with pytest.raises(ParameterInvalid, match="cursor"):
        Cursor.of_text(text, "d1")
