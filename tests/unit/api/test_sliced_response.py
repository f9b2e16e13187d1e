import threading
from collections.abc import Iterator

import anyio
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.api.answer_budget import AnswerBudget
from service.api.sliced_response import SLICE_BYTES, SlicedResponse
from service.pace import Pace

pytestmark = pytest.mark.anyio


class Client:
    """A client that records what it receives."""

    def __init__(self) -> None:
        self.budget = AnswerBudget(1000, retry_after_s=lambda: 1)
        self.gone = anyio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def response(
        self, beginning: bytes, rest: Iterator[bytes] | None = None, timeout_s: float = 60.0
    ) -> SlicedResponse:
        pace, threads = Pace(timeout_s, min_bytes_per_s=0), anyio.CapacityLimiter(1)
        return SlicedResponse(beginning, rest, pace, threads, self.budget.hold(10), {"Server-Timing": "x"})


@pytest.mark.parametrize("n_bytes", [1, 5, SLICE_BYTES, 3 * SLICE_BYTES + 1])
@pytest.mark.parametrize("rest", [None, [], [b"y" * (SLICE_BYTES + 1), b"z"]])
async def test_a_body_arrives_complete_and_in_pieces_of_at_most_a_slice(n_bytes: int, rest: list[bytes] | None) -> None:
    client = Client()
    body = bytes(range(256)) * (n_bytes // 256) + b"x" * (n_bytes % 256)
    await client.response(body, iter(rest) if rest is not None else None)({"type": "http"}, client.receive, client.send)
    start, *parts = client.sent
    headers = dict(start["headers"])
    assert (start["status"], headers[b"content-type"]) == (200, b"application/json")
    assert headers.get(b"content-length") == (str(n_bytes).encode() if rest is None else None)
    assert max(len(part.get("body", b"")) for part in parts) <= SLICE_BYTES
    assert b"".join(part.get("body", b"") for part in parts) == body + b"".join(rest or [])
    assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]
    assert client.budget.n_bytes == 0


async def test_a_part_is_made_only_when_the_earlier_parts_were_read_and_outside_the_event_loop() -> None:
    client, made = Client(), list[int]()

    def parts() -> Iterator[bytes]:
        for number in (1, 2):
            made.append(number)
            assert threading.get_ident() != loop_thread
            yield b"x"

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("more_body"):
            assert len(made) == len(client.sent) - 1
        await client.send(message)

    loop_thread = threading.get_ident()
    await client.response(b"x", parts())({"type": "http"}, client.receive, send)
    assert made == [1, 2]


async def test_a_client_that_does_not_read_is_disconnected_and_its_bytes_are_released() -> None:
    client = Client()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    with pytest.raises(ClientDisconnect):
        await client.response(b"x", timeout_s=0.01)({"type": "http"}, client.receive, send)
    assert client.budget.n_bytes == 0


async def test_no_more_parts_are_made_for_a_client_that_has_gone() -> None:
    client, made = Client(), list[int]()

    def parts() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            yield b"x"

    async def send(message: Message) -> None:
        client.gone.set()
        await anyio.sleep(0.01)

    with pytest.raises(ClientDisconnect):
        await client.response(b"x", parts())({"type": "http"}, client.receive, send)
    assert len(made) <= 2
    assert client.budget.n_bytes == 0
