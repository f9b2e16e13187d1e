import pytest

from service.api.form import FormLimits
from service.api.text_fields import json_fields, read_fields, urlencoded_fields
from service.core.errors import ParameterInvalid
from service.core.request_errors import FieldNotUtf8, FieldRepeated, FormMalformed

LIMITS = FormLimits("audio", ("clip_id", "query", "threshold", "curves"), 1_000, 100, 10)
NUMBERS = ("threshold",)


def _read(content: bytes) -> dict[str, list[str]]:
    return read_fields(json_fields(content, NUMBERS), LIMITS)


def test_numbers_keep_their_digits() -> None:
    for text in ("0.5", "1", "-2", "1e-05", "0.1234567890123"):
        assert _read(b'{"threshold": %s}' % text.encode()) == {"threshold": [text]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"threshold": "0.5"}', "threshold is a text; accepted: a number"),
        (b'{"threshold": null}', "threshold is null; accepted: a number; leave the member out"),
        (b'{"threshold": true}', "threshold is true or false; accepted: a number"),
        (b'{"threshold": [0.5]}', "threshold is a list; accepted: a number"),
        (b'{"query": 5}', "query is a number; accepted: a text or a list of texts"),
        (b'{"query": ["a", null]}', "query is null; accepted: a text or a list of texts"),
        (b'{"query": [["a"]]}', "query is a list; accepted: a text or a list of texts"),
        (b'{"query": {"a": 1}}', "query is an object; accepted: a text or a list of texts"),
        (b'{"clip_id": ["x"]}', "clip_id is a list; accepted: a text"),
        (b'{"curves": false}', "curves is true or false; accepted: a text"),
    ],
)
def test_a_member_of_another_type_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ParameterInvalid, match=message):
        _read(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"clip_id=x",
        b"[]",
        b'"query"',
        b"5",
        b"null",
        b'{"threshold": NaN}',
        b'{"threshold": Infinity}',
        b"{" + b'"query":[' * 50_000,
        b"[" * 50_000,
        b'{"query": "caf\xe9"}',
        b'{"threshold": %s}' % (b"1" * 5_000),
        '{"query": "a"}'.encode("utf-16"),
    ],
)
def test_what_is_not_an_object_in_json_is_malformed(content: bytes) -> None:
    with pytest.raises(FormMalformed, match="cannot be read as application/json"):
        _read(content)


def test_a_repeated_member_is_refused() -> None:
    with pytest.raises(FieldRepeated):
        _read(b'{"query": "a", "query": "b"}')


def test_half_a_surrogate_pair_is_not_utf8() -> None:
    with pytest.raises(FieldNotUtf8):
        _read(b'{"query": "\\ud800"}')


@pytest.mark.parametrize("content", [b"RIFF\x00\x01WAVE", b"fLaC\x00\x00", b"\x1b=1", b"query=a\x00"])
def test_binary_is_no_urlencoded_form_and_the_message_says_how_to_send_audio(content: bytes) -> None:
    with pytest.raises(FormMalformed, match="Content-Type: audio/wav"):
        read_fields(urlencoded_fields(content), LIMITS)


def test_urlencoded_fields_are_in_order_and_decoded() -> None:
    content = b"query=a+b%2Bc&&query=%26%3D&curves&threshold=0.5\r\n"
    assert read_fields(urlencoded_fields(content), LIMITS) == {
        "query": ["a b+c", "&="],
        "curves": [""],
        "threshold": ["0.5"],
    }
