from collections.abc import Generator
from typing import Any

import httpx
import pytest

from service.client.clip_source import clip_source
from service.client.conversation import Compute, Conversation, Pause, Send
from service.client.problems import TooManyRequests
from tests.unit.client.service import answer, info, problem


def take(steps: Generator[Any, Any, Any], *responses: httpx.Response) -> tuple[list[Any], Any]:
    """The steps of a conversation with these responses, and its result."""
    waiting, taken, outcome = iter(responses), list[Any](), None
    try:
        while True:
            step = steps.send(outcome)
            taken.append(step)
            outcome = (
                step.function() if isinstance(step, Compute) else next(waiting) if isinstance(step, Send) else None
            )
    except StopIteration as end:
        return taken, end.value


def test_the_steps_of_a_clip_that_the_service_does_not_know() -> None:
    source = clip_source(b"RIFF")
    steps = Conversation(60).localize(lambda: source, {"query": "rain"})
    busy = problem("too-many-requests", 429, {"Retry-After": "3"})
    taken, result = take(steps, info("m"), problem("clip-not-found", 404), busy, answer("rain", clip_id=source.id("m")))
    assert [type(step).__name__ for step in taken] == ["Compute", "Send", "Compute", "Send", "Send", "Pause", "Send"]
    sends = [step for step in taken if isinstance(step, Send)]
    assert [send.path for send in sends] == ["/info", "/localize", "/localize", "/localize"]
    assert [send.audio for send in sends] == [None, None, source, source]
    assert result["rain"].present
    (pause,) = [step for step in taken if isinstance(step, Pause)]
    assert 3 <= pause.seconds <= 3.3


def test_a_text_is_returned_as_it_came() -> None:
    steps = Conversation(60).localize_as(lambda: clip_source(b"RIFF"), {"query": "rain", "format": "csv"})
    assert take(steps, info(), httpx.Response(200, text="query,onset_s\n"))[1] == "query,onset_s\n"


def test_a_client_that_may_not_wait_gets_the_problem_at_once() -> None:
    steps = Conversation(0).localize(lambda: clip_source(b"RIFF"), {"query": "rain"})
    with pytest.raises(TooManyRequests):
        take(steps, info(), problem("too-many-requests", 429, {"Retry-After": "3"}))
