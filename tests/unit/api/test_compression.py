import gzip
from collections.abc import Callable

import numpy as np
import pytest

from service.api.compression import MIN_BYTES, accepts_gzip
from service.settings import Settings
from tests.unit.api import fake_engine
from tests.unit.api.conftest import make_client
from tests.unit.api.fake_engine import FakeEngine

pytestmark = pytest.mark.anyio
FILES = [("audio", ("a.wav", b"RIFF")), ("query", (None, "a dog")), ("curves", (None, "both"))]


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.1", True),
        ("deflate , gzip ; q=1.0", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzipped", False),
    ],
)
def test_only_clients_that_accept_gzip_get_gzip(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@pytest.fixture
def set_curves(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the number of frames of the curves of the fake engine."""

    def set_length(n_frames: int) -> None:
        curve = np.linspace(0, 1, n_frames, dtype=np.float32) ** 2
        monkeypatch.setattr(fake_engine, "SCORE", curve)
        monkeypatch.setattr(fake_engine, "SIMILARITY", curve)

    return set_length


@pytest.mark.parametrize("n_frames", [1_000, 100_000])
async def test_curves_are_compressed_and_the_same(n_frames: int, set_curves: Callable[[int], None]) -> None:
    set_curves(n_frames)
    async with make_client(FakeEngine(), Settings()) as client:
        plain = await client.post("/localize", files=FILES, headers={"Accept-Encoding": "identity"})
        async with client.stream("POST", "/localize", files=FILES, headers={"Accept-Encoding": "gzip"}) as packed:
            content = b"".join([piece async for piece in packed.aiter_raw()])
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["content-length"]) == len(plain.content)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers.get("content-length", str(len(content))) == str(len(content))
    assert len(content) < 0.6 * len(plain.content)
    assert gzip.decompress(content).partition(b'"results"')[2] == plain.content.partition(b'"results"')[2]
    for answer in (plain, packed):
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        assert "upload;dur=" in answer.headers["server-timing"]
        assert answer.headers["x-request-id"]


async def test_small_answers_are_not_compressed() -> None:
    async with make_client(FakeEngine(), Settings()) as client:
        for answer in (await client.post("/localize", files=FILES), await client.get("/livez"), await client.get("/x")):
            assert len(answer.content) < MIN_BYTES
            assert "content-encoding" not in answer.headers
            assert int(answer.headers["content-length"]) == len(answer.content)


async def test_metrics_and_documents_are_compressed() -> None:
    async with make_client(FakeEngine(), Settings()) as client:
        for path in ("/metrics", "/openapi.json", "/docs/static/swagger-ui.css"):
            answer = await client.get(path, headers={"Accept-Encoding": "gzip"})
            assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
            assert answer.headers["vary"] == "Accept-Encoding"


async def test_an_answer_without_a_body_stays_without() -> None:
    engine = FakeEngine()
    engine.known.add("x")
    async with make_client(engine, Settings()) as client:
        answer = await client.head("/clips/x")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-encoding" not in answer.headers
