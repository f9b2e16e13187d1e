from typing import Any

import anyio
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from service import pace as pace_module
from service.api.body import receive_body
from service.core.request_errors import UploadTimedOut, UploadTooSlow
from service.engine import call as call_module
from service.engine.call import Call
from service.pace import Pace
from tests.virtual_time import VIRTUAL_TIME, LoopClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    for module in (pace_module, call_module):
        monkeypatch.setattr(module, "time", LoopClock)
    return VIRTUAL_TIME


def _request(*pieces: bytes, every_s: float = 0.0, is_complete: bool = True) -> Request:
    """A request whose client sends pieces at intervals, and then ends the body or sends nothing more."""
    waiting = list(pieces)

    async def receive() -> Message:
        await anyio.sleep(every_s)
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or not is_complete}
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    return Request({"type": "http"}, receive=receive)


async def _body(request: Request, pace: Pace, call: Call | None = None) -> bytes:
    return b"".join([piece async for piece in receive_body(request, pace, call or Call())])


async def test_a_body_arrives_in_pieces() -> None:
    assert await _body(_request(b"a", b"", b"bc"), Pace(60.0, 1024)) == b"abc"


@pytest.mark.parametrize("pieces", [(), (b"x",) * 100], ids=["nothing", "drops"])
async def test_a_client_below_the_minimum_speed_is_refused(pieces: tuple[bytes, ...]) -> None:
    request = _request(*pieces, every_s=0.02, is_complete=False)
    with anyio.fail_after(2), pytest.raises(UploadTooSlow) as refused:
        await _body(request, Pace(60.0, min_bytes_per_s=1000, slow_start_s=0.1))
    assert refused.value.accepted_bytes_per_s == 1000
    assert refused.value.n_bytes <= 10


async def test_a_client_above_the_minimum_speed_may_take_longer_than_the_start() -> None:
    request = _request(*[bytes(1000)] * 10, every_s=0.03)
    assert len(await _body(request, Pace(60.0, min_bytes_per_s=1000, slow_start_s=0.1))) == 10_000


async def test_a_body_that_is_not_complete_at_the_deadline_of_its_call_is_refused() -> None:
    request = _request(*[bytes(1000)] * 1000, every_s=0.01)
    with anyio.fail_after(2), pytest.raises(UploadTimedOut, match="EARMARK_REQUEST_TIMEOUT_S"):
        await _body(request, Pace(0.1, min_bytes_per_s=0), Call(timeout_s=0.1))


async def test_a_client_that_disconnects_is_reported() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await _body(Request({"type": "http"}, receive=receive), Pace(60.0, 0))
