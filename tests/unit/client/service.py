"""The real API with a fake engine, for clients of httpx in tests."""

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np

from service.app import create_app
from service.engine.clip import Clip, Upload
from service.engine.clip_id import clip_id_of
from service.engine.interface import Localization
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import MANIFEST, FakeEngine

Handler = Callable[[httpx.Request], httpx.Response]
SCORE = np.array([0.1, 0.9, 0.8, 0.2], np.float32)


class EngineWithIds(FakeEngine):
    """A fake engine that gives clips the ids of the real engine."""

    def localize(self, clip: Clip, *arguments: Any) -> Localization:
        if not isinstance(clip, Upload):
            return super().localize(clip, *arguments)
        clip_id = clip_id_of(clip.file, MANIFEST, max_upload_bytes=1 << 20)
        cached = clip_id in self.known
        self.known.add(clip_id)
        return replace(super().localize(clip, *arguments), clip_id=clip_id, cached=cached)


def make_http(engine: FakeEngine | None = None, **settings: Any) -> httpx.AsyncClient:
    app = create_app(engine or EngineWithIds(), Settings(**settings), version="0", shutdown=Shutdown())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app))


def mock_http(handler: Handler) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(handler))


def info(model_id: str = "model") -> httpx.Response:
    return httpx.Response(200, json={"model": {"id": model_id}})


def problem(name: str, status: int, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    body = {
        "type": f"/prefix/problems/{name}",
        "title": name,
        "status": status,
        "detail": f"detail of {name}",
    } | members
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"} | (headers or {}))


def answer(*queries: str, clip_id: str = "id", **clip: Any) -> httpx.Response:
    """An answer in which each query is heard from 0.04 to 0.12 s."""
    results = [
        {
            "query": query,
            "warnings": [],
            "present": True,
            "clip_score": 0.9,
            "score": base64.b64encode(SCORE.tobytes()).decode(),
            "segments": [{"onset_s": 0.04, "offset_s": 0.12, "score": 0.9, "peak_s": 0.06}],
        }
        for query in queries or ("a dog barks",)
    ]
    body: dict[str, Any] = {"clip": {"id": clip_id, "duration_s": 0.15, "cached": False, "warnings": []} | clip}
    return httpx.Response(
        200, json=body | {"model": {"name": "fake", "version": "2"}, "hop_s": 0.04, "results": results}
    )
