import json
import threading

import pytest

from tests.http_server import Reply, Request, Server, json_reply
from tests.unit.training.curation.model_server import ModelServer, completion, items, language_model
from tests.waiting import PATIENCE_S
from training.curation.language_model import MalformedReplyError
from training.curation.retries import ServerUnavailableError


def test_each_text_gets_its_caption_on_one_line_in_the_order_of_the_texts(model_server: ModelServer) -> None:
    model_server.write = lambda captions: "\n and ".join(captions)
    texts = [["a dog", "a cat"], ["rain"]]
    assert language_model(model_server.url).write("Join the captions.", texts) == ["a dog and a cat", "rain"]
    (request,) = model_server.requests
    assert items(request) == [{"id": 0, "captions": ["a dog", "a cat"]}, {"id": 1, "captions": ["rain"]}]


def test_the_request_holds_the_model_the_instruction_the_key_and_a_strict_schema(model_server: ModelServer) -> None:
    language_model(model_server.url + "/", key="secret").write("Be brief.", [["a dog"]])
    language_model(model_server.url).write("Be brief.", [["a dog"]])
    request, without_key = model_server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == "Bearer secret"
    assert "Authorization" not in without_key.headers
    body = json.loads(request.body)
    assert (body["model"], body["temperature"]) == ("m", 0)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Sure! A dog barks.", "it is not the required JSON: Invalid JSON"),
        ('{"captions": []}', r"it holds captions for the ids \[\]; each id from 0 to 0 once is accepted"),
        ('{"captions": [{"id": 1, "caption": "a dog"}]}', r"captions for the ids \[1\]"),
        ('{"captions": [{"id": 0, "caption": "a"}, {"id": 0, "caption": "b"}]}', r"captions for the ids \[0, 0\]"),
        ('{"captions": [{"id": 0, "caption": "a dog", "note": "!"}]}', "not the required JSON: Extra inputs"),
    ],
)
def test_a_reply_without_exactly_one_caption_for_each_text_is_malformed(
    content: str, message: str, server: Server
) -> None:
    server.answer = lambda request: completion(content)
    with pytest.raises(MalformedReplyError, match=message):
        language_model(server.url).write("", [["a dog"]])


@pytest.mark.parametrize("reply", [Reply(b"<html>"), json_reply({"choices": []}), json_reply({"error": "no"})])
def test_a_response_that_is_not_a_completion_is_malformed(reply: Reply, server: Server) -> None:
    server.answer = lambda request: reply
    with pytest.raises(MalformedReplyError):
        language_model(server.url).write("", [["a dog"]])


def test_a_request_to_a_busy_model_is_repeated(model_server: ModelServer, server: Server) -> None:
    failures = iter([json_reply({}, 429, {"Retry-After": "1"}), Reply(status=503)])
    server.answer = lambda request: next(failures, None) or model_server.answer(request)
    assert language_model(model_server.url).write("", [["a dog"]]) == ["a dog"]


def test_a_request_to_a_slow_model_is_repeated_after_the_timeout(model_server: ModelServer, server: Server) -> None:
    slow, done = iter([True]), threading.Event()

    def answer(request: Request) -> Reply:
        if next(slow, False):
            done.wait(PATIENCE_S)
        return model_server.answer(request)

    server.answer = answer
    assert language_model(model_server.url, timeout_s=2.0).write("", [["a dog"], ["a cat"]]) == ["a dog", "a cat"]
    done.set()


def test_a_model_that_does_not_exist_is_unavailable(server: Server) -> None:
    server.answer = lambda request: json_reply({"error": {"message": "no such model"}}, 404)
    with pytest.raises(ServerUnavailableError, match=r"/chat/completions: HTTP 404: .*no such model"):
        language_model(server.url).write("", [["a dog"]])
