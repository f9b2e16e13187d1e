import threading
from pathlib import Path

import pytest

from tests.http_server import Reply, Request, Server
from tests.unit.training.curation.model_server import ModelServer, caption_requests, completion, items, language_model
from tests.waiting import PATIENCE_S
from training.curation.caption_requests import CaptionRequests, Text
from training.curation.language_model import MalformedReplyError
from training.curation.retries import ServerUnavailableError

INSTRUCTION = "Correct the captions."
TEXTS = [(f"a dog {verb}",) for verb in ("barks", "howls", "growls", "whines", "pants")]


def fetch(requests: CaptionRequests) -> dict[Text, str | MalformedReplyError]:
    return requests.fetch(INSTRUCTION, TEXTS)


def test_each_text_is_requested_once_and_several_in_a_request(model_server: ModelServer, tmp_path: Path) -> None:
    requests = caption_requests(language_model(model_server.url), tmp_path, batch=2)
    assert requests.fetch(INSTRUCTION, [*TEXTS, *TEXTS]) == {text: text[0] for text in TEXTS}
    assert [len(items(request)) for request in model_server.requests] == [2, 2, 1]


def test_cached_captions_are_used_only_with_the_same_model_and_instruction(
    model_server: ModelServer, tmp_path: Path
) -> None:
    model = language_model(model_server.url)
    first = fetch(caption_requests(model, tmp_path))
    assert fetch(caption_requests(model, tmp_path)) == first
    assert len(model_server.requests) == 1
    fetch(caption_requests(language_model(model_server.url, "another"), tmp_path))
    caption_requests(model, tmp_path).fetch(INSTRUCTION + " Be brief.", TEXTS)
    assert len(model_server.requests) == 3


def test_at_most_the_given_number_of_requests_run_in_parallel(model_server: ModelServer, tmp_path: Path) -> None:
    running, max_running, lock, barrier = 0, 0, threading.Lock(), threading.Barrier(3)

    def write(texts: list[str]) -> str:
        nonlocal running, max_running
        with lock:
            running += 1
            max_running = max(max_running, running)
        barrier.wait(PATIENCE_S)
        with lock:
            running -= 1
        return texts[0]

    model_server.write = write
    requests = caption_requests(language_model(model_server.url), tmp_path, batch=1, parallel=3)
    requests.fetch(INSTRUCTION, [*TEXTS, ("a cat",)])
    assert max_running == 3


def test_a_text_that_spoils_the_reply_affects_no_other_text_and_is_requested_again(
    model_server: ModelServer, server: Server, tmp_path: Path
) -> None:
    def spoiled(request: Request) -> Reply:
        if any(item["captions"] == ["a dog growls"] for item in items(request)):
            return completion("I cannot help with that.")
        return model_server.answer(request)

    server.answer = spoiled
    model_server.write = lambda texts: texts[0] + "."
    model = language_model(model_server.url)
    captions = fetch(caption_requests(model, tmp_path))
    assert isinstance(captions.pop(("a dog growls",)), MalformedReplyError)
    assert captions == {text: text[0] + "." for text in TEXTS if text != ("a dog growls",)}
    server.answer = model_server.answer
    assert fetch(caption_requests(model, tmp_path))["a dog growls",] == "a dog growls."
    assert len(items(model_server.requests[-1])) == 1


def test_a_run_that_lost_its_model_is_continued_by_the_next_run(
    model_server: ModelServer, server: Server, tmp_path: Path
) -> None:
    server.answer = lambda request: model_server.answer(request) if len(server.requests) < 3 else Reply(status=500)
    model = language_model(model_server.url)
    with pytest.raises(ServerUnavailableError, match="HTTP 500"):
        fetch(caption_requests(model, tmp_path, batch=2))
    server.requests.clear()
    server.answer = model_server.answer
    assert fetch(caption_requests(model, tmp_path, batch=2)) == {text: text[0] for text in TEXTS}
    assert [len(items(request)) for request in server.requests] == [1]
