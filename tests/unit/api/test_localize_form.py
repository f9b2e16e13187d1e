from io import BytesIO
from typing import Any

import pytest

from service.api.form import Form
from service.api.localize_form import NUMBERS, LocalizeForm, form_limits, read_localize_form
from service.core.errors import ParameterInvalid
from service.core.request_errors import ClipUnclear, FieldRepeated
from service.engine.clip import KnownClip, Upload
from service.settings import Settings


def form(file: BytesIO | None = None, **texts: str | list[str]) -> Form:
    return Form(file, {name: [value] if isinstance(value, str) else value for name, value in texts.items()})


def test_only_the_clip_and_the_queries_are_needed() -> None:
    file = BytesIO(b"RIFF")
    request = read_localize_form(form(file, query=["a dog", "rain"]))
    assert isinstance(request.clip, Upload)
    assert request.clip.file is file
    assert (request.queries, request.overrides) == (("a dog", "rain"), {})
    assert (request.curves, request.curve_format) == ("score", "json")


def test_a_clip_id_names_a_clip_that_was_uploaded_earlier() -> None:
    assert read_localize_form(form(clip_id="x", query="a dog")).clip == KnownClip("x")


@pytest.mark.parametrize(
    ("file", "texts", "received"),
    [(None, {}, "neither audio nor clip_id"), (BytesIO(b"RIFF"), {"clip_id": "x"}, "both audio and clip_id")],
)
def test_a_form_names_exactly_one_clip(file: BytesIO | None, texts: dict[str, Any], received: str) -> None:
    with pytest.raises(ClipUnclear, match=received):
        read_localize_form(form(file, query="a dog", **texts))


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), (" .5 ", 0.5), ("5.", 5.0), ("+1e-1", 0.1), ("-2", -2.0), ("1e999", float("inf"))]
)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_decimal(name: str, text: str, value: float) -> None:
    assert read_localize_form(form(clip_id="x", **{name: text})).overrides == {name: value}


@pytest.mark.parametrize("text", ["", "NaN", "inf", "1_0", "0x1", "1,5", "٣", "1 2", "1" * 100 + "x"])
def test_a_number_in_another_notation_is_refused(text: str) -> None:
    with pytest.raises(ParameterInvalid) as error:
        read_localize_form(form(clip_id="x", threshold=text))
    assert error.value.name == "threshold"
    assert len(error.value.came) <= 45


@pytest.mark.parametrize("name", ["clip_id", "threshold", "curves"])
def test_only_query_may_be_repeated(name: str) -> None:
    with pytest.raises(FieldRepeated):
        read_localize_form(form(query="a dog", **{name: ["1", "1"]}))


@pytest.mark.parametrize(
    ("name", "accepted"), [("curves", "score, similarity, both, none"), ("curve_format", "json, base64")]
)
def test_an_unknown_choice_is_answered_with_the_accepted_ones(name: str, accepted: str) -> None:
    with pytest.raises(ParameterInvalid) as error:
        read_localize_form(form(clip_id="x", **{name: "all"}))
    assert (error.value.came, error.value.accepted) == ("'all'", accepted)


def test_the_limits_admit_the_longest_query_in_any_script_and_every_field_once() -> None:
    limits = form_limits(Settings(max_queries=3, max_query_chars=100, max_upload_bytes=5000))
    assert limits.max_text_bytes == len("𝄞".encode()) * 100
    assert limits.max_fields >= len(LocalizeForm.model_fields) + 3 - 1
    assert limits.max_file_bytes == 5000 < limits.max_body_bytes
    assert {limits.file_field, *limits.text_fields} == set(LocalizeForm.model_fields)


def test_short_limits_on_queries_leave_room_for_the_other_texts() -> None:
    assert form_limits(Settings(max_query_chars=1)).max_text_bytes >= len("a" * 64)  # a clip_id
