from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from service.shutdown import Shutdown
from tests.unit.api.fake_engine import FakeEngine


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def settings() -> Settings:
    return Settings(max_upload_bytes=2048, max_queries=3, max_query_chars=40)


@pytest.fixture
async def client(engine: FakeEngine, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(engine, settings) as client:
        yield client


def make_client(engine: FakeEngine, settings: Settings, shutdown: Shutdown | None = None) -> httpx.AsyncClient:
    app = create_app(engine, settings, version="0", shutdown=shutdown or Shutdown())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://earmark")


Post = Callable[..., Any]


@pytest.fixture
def post(client: httpx.AsyncClient) -> Post:
    """Posts a form to /localize: a valid form, in which the arguments replace or add fields."""

    async def post_form(
        *fields: tuple[str, str], audio: bytes | None = b"RIFF", query: str | None = "a dog barks"
    ) -> httpx.Response:
        parts: list[tuple[str, Any]] = [("audio", ("clip.wav", audio))] if audio is not None else []
        parts += [("query", (None, query))] if query is not None else []
        return await client.post("/localize", files=parts + [(name, (None, value)) for name, value in fields])

    return post_form
