"""A Freesound server for tests."""

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import soundfile

from tests.http_server import Reply, Request, Server, json_reply
from tests.waiting import PATIENCE_S
from training.curation.freesound_api import Freesound, RateLimit
from training.curation.journal import Journal
from training.curation.retries import RetryPolicy

RATE_HZ = 16_000


def ogg(duration_s: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    samples = 0.1 * np.sin(np.arange(int(duration_s * RATE_HZ)) / 5)
    soundfile.write(buffer, samples, RATE_HZ, format="OGG", subtype="VORBIS")
    return buffer.getvalue()


class FreesoundServer:
    """Speaks APIv2: sounds by id, searches of two sounds a page, previews; `replies` overrides, each reply once."""

    def __init__(self, server: Server) -> None:
        self.url, self.requests = server.url + "/apiv2", server.requests
        self.searches = {"dog barking": [1, 2, 3], "puppy": [3, 4], "ghost": []}
        self.replies: dict[str, list[Reply]] = {}
        self.audio: Callable[[int], Reply] = lambda sound: Reply(ogg())
        self.server = server
        server.answer = self.answer

    def sound(self, id_: int) -> dict[str, object]:
        return {
            "id": id_, "name": f"Bark_{id_}.wav", "tags": ["dog", "bark"], "description": "My dog,\r\n\"Rex\"",
            "username": f"user{id_ % 2}", "license": "https://creativecommons.org/licenses/by/4.0/", "duration": 1.0,
            "url": f"https://freesound.org/s/{id_}/",
            "previews": {"preview-hq-ogg": f"{self.server.url}/previews/{id_}.ogg", "preview-hq-mp3": "unused"},
        }  # fmt: skip

    def answer(self, request: Request) -> Reply:
        if waiting := self.replies.get(request.path):
            return waiting.pop(0)
        if request.path.startswith("/previews/"):
            return self.audio(int(Path(request.path).stem))
        if request.headers.get("Authorization") != "Token secret":
            return json_reply({"detail": "Invalid token."}, 401)
        if request.path == "/apiv2/search/text/":
            return self.search(request.query)
        id_ = int(Path(request.path).name)
        return json_reply(self.sound(id_)) if id_ < 100 else json_reply({"detail": "Not found."}, 404)

    def search(self, query: dict) -> Reply:
        ids, page = self.searches[query["query"]], int(query["page"])
        results = [self.sound(i) for i in ids[2 * page - 2 : 2 * page]]
        more = len(ids) > 2 * page
        return json_reply(
            {"count": len(ids), "next": "http://elsewhere/?page=2" if more else None, "results": [*results, None]}
        )

    def fetched(self, part: str) -> list[str]:
        return [request.path for request in self.requests if part in request.path]

    def client(self, folder: Path, preview_timeout_s: float = PATIENCE_S) -> Freesound:
        """A client that logs its requests in a folder, and repeats a failed request twice without waiting."""
        limit = RateLimit(Journal(folder / "requests.jsonl"))
        policy = RetryPolicy(attempts=3, sleep=lambda _: None)
        return Freesound(
            "secret", limit, policy, self.url, httpx.Client(timeout=PATIENCE_S, transport=_Transport(preview_timeout_s))
        )


class _Transport(httpx.HTTPTransport):
    """Sends requests, and waits for a preview as long as given."""

    def __init__(self, preview_timeout_s: float) -> None:
        super().__init__()
        self._preview_timeout_s = preview_timeout_s

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/previews/"):
            request.extensions["timeout"] = request.extensions["timeout"] | {"read": self._preview_timeout_s}
        return super().handle_request(request)
