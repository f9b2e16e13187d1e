"""A language model server for tests, and the objects that send texts to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.http_server import Reply, Request, Server, json_reply
from tests.waiting import PATIENCE_S
from training.curation.caption_requests import CaptionRequests
from training.curation.journal import Journal
from training.curation.language_model import LanguageModel
from training.curation.retries import RetryPolicy


def completion(content: str) -> Reply:
    """A response of the chat completions API."""
    return json_reply({"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]})


def items(request: Request) -> list[dict[str, Any]]:
    """The items of a request, each with an id and captions."""
    return json.loads(json.loads(request.body)["messages"][1]["content"])


class ModelServer:
    """Implements the chat completions API; `write` turns the captions of an item into one caption."""

    def __init__(self, server: Server) -> None:
        self.url, self.requests = server.url + "/v1", server.requests
        self.write: Callable[[list[str]], str] = lambda captions: captions[0]
        server.answer = self.answer

    def answer(self, request: Request) -> Reply:
        """Replies with the captions in reverse order, since only their ids count."""
        written = [{"id": i["id"], "caption": self.write(i["captions"])} for i in items(request)]
        return completion(json.dumps({"captions": written[::-1]}))


def language_model(url: str, name: str = "m", key: str = "", timeout_s: float = PATIENCE_S) -> LanguageModel:
    """A model that repeats a failed request twice, without waiting."""
    policy = RetryPolicy(attempts=3, sleep=lambda _: None)
    return LanguageModel(url, name, key, timeout_s=timeout_s, retry_policy=policy)


def caption_requests(model: LanguageModel, folder: Path, batch: int = 10, parallel: int = 1) -> CaptionRequests:
    """Requests with a cache in a folder."""
    return CaptionRequests(model, Journal(folder / "cache.jsonl"), batch, parallel)
