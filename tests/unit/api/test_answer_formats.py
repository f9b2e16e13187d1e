"""Answers in other formats than JSON, chosen by the Accept header or the field `format`."""

import json
from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest

from service.api.answer_formats import other_content
from service.formats.registry import FORMATS, FormatName

pytestmark = pytest.mark.anyio

Post = Callable[..., Any]


@pytest.mark.parametrize("name", get_args(FormatName))
async def test_a_format_is_chosen_by_the_field_or_by_the_header(
    post: Post, client: httpx.AsyncClient, name: FormatName
) -> None:
    by_field = await post(("format", name), ("curves", "none"))
    clip_id = (await post()).json()["clip"]["id"]
    fields = {"clip_id": clip_id, "query": "a dog barks", "curves": "none"}
    accept = {"Accept": FORMATS[name].content_type}
    by_header = await client.post("/localize", json=fields, headers=accept)
    assert by_field.status_code == by_header.status_code == 200
    assert by_field.headers["content-type"] == by_header.headers["content-type"] == FORMATS[name].content_type
    assert "a dog barks" in by_field.text
    assert by_field.text.replace('"cached":false', '"cached":true') == by_header.text.replace(
        '"cached":false', '"cached":true'
    )
    assert "Accept" in by_field.headers["vary"]


async def test_the_field_outweighs_the_header(client: httpx.AsyncClient) -> None:
    url, headers = "/localize?query=a+dog&format=csv", {"Content-Type": "audio/wav", "Accept": "text/vtt"}
    response = await client.post(url, content=b"RIFF", headers=headers)
    assert response.text == "query,onset_s,offset_s,score,peak_s\na dog,0.08,0.15,0.9,0.1\n"


async def test_lines_have_the_members_of_the_answer_and_the_curves(post: Post) -> None:
    response = await post(("format", "ndjson"), ("query", "rain"), ("curves", "both"))
    whole = (await post(("query", "rain"), ("curves", "both"))).json()
    lines = [json.loads(line) for line in response.text.splitlines()]
    head = {name: value for name, value in whole.items() if name != "results"}
    assert [line | {"clip": head["clip"]} for line in lines] == [head | result for result in whole["results"]]


async def test_an_unknown_format_is_refused_with_those_that_are_accepted(post: Post) -> None:
    response = await post(("format", "xlsx"))
    assert response.status_code == 422
    assert response.json()["detail"] == f"format is 'xlsx'; accepted: {', '.join(FORMATS)}"


async def test_a_problem_is_a_problem_in_every_format(post: Post) -> None:
    response = await post(("format", "csv"), query="?!")
    assert response.headers["content-type"] == "application/problem+json"


def test_clients_are_told_which_answers_are_parsed_as_json() -> None:
    kinds = {media_type: content["schema"]["type"] for media_type, content in other_content().items()}
    assert kinds.pop("application/vnd.jams+json") == "object"
    assert set(kinds.values()) == {"string"}


async def test_an_unknown_accept_header_gets_json(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "audio/wav", "Accept": "image/png"}
    assert (await client.post("/localize?query=a+dog", content=b"RIFF", headers=headers)).json()["results"]
