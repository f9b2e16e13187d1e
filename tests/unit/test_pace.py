from typing import Any

import anyio
import pytest

from service import pace as pace_module
from service.pace import SLOW_START_S, Pace, Transfer
from tests.virtual_time import VIRTUAL_TIME, LoopClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(pace_module, "time", LoopClock)
    return VIRTUAL_TIME


@pytest.mark.parametrize(("n_bytes", "allowed_s"), [(0, SLOW_START_S), (1000, SLOW_START_S + 10), (10**9, 300.0)])
def test_the_allowed_time_grows_with_the_bytes_up_to_the_deadline(n_bytes: int, allowed_s: float) -> None:
    assert Pace(timeout_s=300.0, min_bytes_per_s=100).allowed_s(n_bytes) == allowed_s


def test_without_a_minimum_only_the_deadline_holds() -> None:
    assert Pace(timeout_s=300.0, min_bytes_per_s=0).allowed_s(0) == 300


async def test_waits_add_up_over_the_whole_transfer() -> None:
    transfer = Transfer(Pace(timeout_s=0.1, min_bytes_per_s=0))
    began_s = anyio.current_time()
    for _ in range(3):
        await transfer.wait_for(anyio.sleep(0.03))
    with pytest.raises(TimeoutError):
        await transfer.wait_for(anyio.sleep_forever())
    assert anyio.current_time() - began_s == pytest.approx(0.1, abs=1e-4)


async def test_work_between_the_waits_does_not_count() -> None:
    transfer = Transfer(Pace(timeout_s=0.1, min_bytes_per_s=0))
    for _ in range(3):
        await transfer.wait_for(anyio.sleep(0))
        await anyio.sleep(0.06)
    assert transfer.waited_s == 0


async def test_a_wait_has_its_own_limit() -> None:
    with pytest.raises(TimeoutError):
        await Transfer(Pace(60.0, 0)).wait_for(anyio.sleep_forever(), at_most_s=0.01)


async def test_a_wait_returns_what_the_client_sent_and_passes_its_failure_on() -> None:
    async def client(sends: str) -> str:
        await anyio.sleep(0)
        if not sends:
            raise EOFError
        return sends

    transfer = Transfer(Pace(60.0, 0))
    assert await transfer.wait_for(client("piece")) == "piece"
    with pytest.raises(EOFError):
        await transfer.wait_for(client(""))


async def test_a_cancelled_wait_is_no_timeout() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Transfer(Pace(60.0, 0)).wait_for(anyio.sleep_forever())
    assert scope.cancelled_caught
