import threading
import time

import anyio
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from service.api.workers import WorkerThreads
from service.core.errors import DeadlineExceeded
from service.engine.call import Call

pytestmark = pytest.mark.anyio


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


def check_until_stopped(call: Call) -> None:
    while True:
        call.check()
        time.sleep(0.001)


async def test_work_runs_in_another_thread_and_its_result_is_returned() -> None:
    thread = await WorkerThreads(1).run(Client().request, Call(), threading.get_ident)
    assert thread != threading.get_ident()


async def test_a_client_that_disconnects_stops_the_work() -> None:
    client, call = Client(), Call()
    client.hang_up()
    with anyio.fail_after(1), pytest.raises(ClientDisconnect):
        await WorkerThreads(1).run(client.request, call, lambda: check_until_stopped(call))


async def test_a_client_that_disconnects_while_the_work_runs_stops_it_within_a_second() -> None:
    client, call, began = Client(), Call(), threading.Event()

    def work() -> None:
        began.set()
        check_until_stopped(call)

    async def hang_up_once_the_work_runs() -> None:
        assert await anyio.to_thread.run_sync(began.wait, 10)
        client.hang_up()

    with anyio.fail_after(1):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang_up_once_the_work_runs)
            with pytest.raises(ClientDisconnect):
                await WorkerThreads(1).run(client.request, call, work)


async def test_work_is_not_begun_if_the_client_disconnects_while_it_waits_for_a_thread() -> None:
    workers, client, began, done = WorkerThreads(1), Client(), threading.Event(), threading.Event()
    runs: list[str] = []

    def hold() -> None:
        began.set()
        assert done.wait(10)

    async def wait_and_leave() -> None:
        with pytest.raises(ClientDisconnect):
            await workers.run(client.request, Call(), lambda: runs.append("work"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, Client().request, Call(), hold)
        assert await anyio.to_thread.run_sync(began.wait, 10)
        tasks.start_soon(wait_and_leave)
        await anyio.wait_all_tasks_blocked()
        client.hang_up()
        await anyio.wait_all_tasks_blocked()
        done.set()
    assert runs == []


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

    assert await WorkerThreads(1).run(Request({"type": "http"}, receive=receive), call, work) == "done"
    assert messages == []


async def test_an_error_of_the_work_reaches_the_caller() -> None:
    call = Call(timeout_s=0.01)
    with anyio.fail_after(1), pytest.raises(DeadlineExceeded):
        await WorkerThreads(1).run(Client().request, call, lambda: check_until_stopped(call))


async def test_a_cancelled_request_stops_its_thread_and_frees_it() -> None:
    workers, call, ended = WorkerThreads(1), Call(), threading.Event()

    def work() -> None:
        try:
            check_until_stopped(call)
        finally:
            ended.set()

    with anyio.move_on_after(0.02) as scope:
        await workers.run(Client().request, call, work)
    assert scope.cancelled_caught
    assert await anyio.to_thread.run_sync(ended.wait, 10)
    with anyio.fail_after(1):
        assert await workers.run(Client().request, Call(), lambda: "next") == "next"


async def test_no_more_work_runs_at_a_time_than_there_are_threads() -> None:
    workers, lock = WorkerThreads(2), threading.Lock()
    running: list[int] = [0]
    most: list[int] = [0]

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(workers.run, Client().request, Call(), work)
    assert most == [2]
