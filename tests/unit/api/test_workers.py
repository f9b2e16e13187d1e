import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

import anyio
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from service.api.lanes import Lane, Lanes
from service.api.workers import WorkerThreads
from service.core.errors import DeadlineExceeded
from service.engine.call import Call
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
T = TypeVar("T")


class Client:
    """The client of a request, connected until `hang_up`."""

    def __init__(self) -> None:
        self._gone = anyio.Event()
        self.request = Request({"type": "http"}, receive=self._receive)

    def hang_up(self) -> None:
        self._gone.set()

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}


class Workers:
    """Worker threads whose only lane has `n_slots` slots."""

    def __init__(self, n_slots: int) -> None:
        self.lane = Lane(n_slots)
        self._workers = WorkerThreads(Lanes(parallel_windows=1))

    async def run(self, request: Request, call: Call, work: Callable[[], T]) -> T:
        return await self._workers.run(request, call, work, self.lane)


def check_until_stopped(call: Call) -> None:
    while True:
        call.check()
        time.sleep(0.001)


async def test_work_runs_in_another_thread_and_its_result_is_returned() -> None:
    thread = await Workers(1).run(Client().request, Call(), threading.get_ident)
    assert thread != threading.get_ident()


async def test_a_client_that_disconnects_stops_the_work() -> None:
    client, call = Client(), Call()
    client.hang_up()
    with anyio.fail_after(PATIENCE_S), pytest.raises(ClientDisconnect):
        await Workers(1).run(client.request, call, lambda: check_until_stopped(call))


async def test_a_client_that_disconnects_while_the_work_runs_stops_it_within_a_second() -> None:
    times_s: list[float] = []

    async def hang_up_once_the_work_runs(client: Client, began: threading.Event) -> None:
        assert await anyio.to_thread.run_sync(began.wait, PATIENCE_S)
        times_s.append(time.monotonic())
        client.hang_up()

    for _ in range(3):
        client, call, began = Client(), Call(), threading.Event()

        def work(call: Call = call, began: threading.Event = began) -> None:
            began.set()
            check_until_stopped(call)

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hang_up_once_the_work_runs, client, began)
                with pytest.raises(ClientDisconnect):
                    await Workers(1).run(client.request, call, work)
        times_s[-1] = time.monotonic() - times_s[-1]
    assert min(times_s) < 1  # a busy machine lengthens some of the times


async def test_work_that_waits_for_a_slot_leaves_at_once_if_the_client_disconnects() -> None:
    workers, client, began, done = Workers(1), Client(), threading.Event(), threading.Event()
    runs: list[str] = []

    def hold() -> None:
        began.set()
        assert done.wait(PATIENCE_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, Client().request, Call(), hold)
        assert await anyio.to_thread.run_sync(began.wait, PATIENCE_S)
        tasks.start_soon(workers.run, Client().request, Call(), lambda: runs.append("later"))
        await anyio.wait_all_tasks_blocked()
        asyncio.get_running_loop().call_later(0.01, client.hang_up)
        with anyio.fail_after(PATIENCE_S), pytest.raises(ClientDisconnect):
            await workers.run(client.request, Call(), lambda: runs.append("work"))
        assert workers.lane.n_waiting == 1
        done.set()
    assert runs == ["later"]


async def test_the_wait_for_a_slot_ends_at_the_deadline() -> None:
    workers, began, done = Workers(1), threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert done.wait(PATIENCE_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, Client().request, Call(), hold)
        assert await anyio.to_thread.run_sync(began.wait, PATIENCE_S)
        with anyio.fail_after(PATIENCE_S), pytest.raises(DeadlineExceeded):
            await workers.run(Client().request, Call(timeout_s=0.02), lambda: None)
        done.set()


async def test_the_wait_for_a_slot_is_counted_to_the_queue() -> None:
    workers, call, began, done = Workers(1), Call(), threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        assert done.wait(PATIENCE_S)

    async def end_after_a_while() -> None:
        await anyio.wait_all_tasks_blocked()
        await anyio.sleep(0.05)
        done.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, Client().request, Call(), hold)
        assert await anyio.to_thread.run_sync(began.wait, PATIENCE_S)
        tasks.start_soon(end_after_a_while)
        await workers.run(Client().request, call, lambda: None)
    assert call.stage_s["queue"] > 0.04


async def test_a_thousand_requests_that_wait_take_no_threads() -> None:
    workers, began, done = Workers(1), threading.Event(), threading.Event()
    results: list[int] = []

    def hold() -> None:
        began.set()
        assert done.wait(PATIENCE_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, Client().request, Call(), hold)
        assert await anyio.to_thread.run_sync(began.wait, PATIENCE_S)
        before = threading.active_count()
        for number in range(1000):
            tasks.start_soon(workers.run, Client().request, Call(), lambda number=number: results.append(number))
        await anyio.wait_all_tasks_blocked()
        assert threading.active_count() <= before  # threads of earlier tests may end meanwhile
        done.set()
    assert results == list(range(1000))


async def test_a_message_other_than_the_disconnect_does_not_stop_the_work() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    call = Call()

    def work() -> str:
        for _ in range(20):
            call.check()
            time.sleep(0.001)
        return "done"

    assert await Workers(1).run(Request({"type": "http"}, receive=receive), call, work) == "done"
    assert messages == []


async def test_an_error_of_the_work_reaches_the_caller() -> None:
    call = Call(timeout_s=0.01)
    with anyio.fail_after(PATIENCE_S), pytest.raises(DeadlineExceeded):
        await Workers(1).run(Client().request, call, lambda: check_until_stopped(call))


async def test_a_cancelled_request_stops_its_thread_and_frees_it() -> None:
    workers, call, began, ended = Workers(1), Call(), threading.Event(), threading.Event()
    scope = anyio.CancelScope()

    def work() -> None:
        began.set()
        try:
            check_until_stopped(call)
        finally:
            ended.set()

    async def run() -> None:
        with scope:
            await workers.run(Client().request, call, work)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        assert await anyio.to_thread.run_sync(began.wait, PATIENCE_S)
        scope.cancel()
    assert scope.cancelled_caught
    assert await anyio.to_thread.run_sync(ended.wait, PATIENCE_S)
    with anyio.fail_after(PATIENCE_S):
        assert await workers.run(Client().request, Call(), lambda: "next") == "next"


async def test_no_more_work_runs_at_a_time_than_there_are_threads() -> None:
    workers, lock, together = Workers(2), threading.Lock(), threading.Barrier(2)
    running: list[int] = [0]
    most: list[int] = [0]

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)  # a third one could begin
        together.wait(PATIENCE_S)
        with lock:
            running[0] -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(workers.run, Client().request, Call(), work)
    assert most == [2]


async def test_all_requests_that_have_a_slot_are_worked_on_at_the_same_time() -> None:
    lanes = Lanes(parallel_windows=1)
    workers, together = WorkerThreads(lanes), threading.Barrier(lanes.n_slots)
    async with anyio.create_task_group() as tasks:
        for lane in (lanes.known, lanes.short, lanes.long):
            for _ in range(lane.n_slots):
                tasks.start_soon(workers.run, Client().request, Call(), lambda: together.wait(PATIENCE_S), lane)


async def test_the_work_sees_the_context_of_its_request() -> None:
    request_id: ContextVar[str] = ContextVar("request_id")
    request_id.set("abc")
    assert await Workers(1).run(Client().request, Call(), request_id.get) == "abc"
