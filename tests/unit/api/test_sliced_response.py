import anyio
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.api.sliced_response import SLICE_BYTES, SlicedResponse


@pytest.mark.parametrize("n_bytes", [0, 5, SLICE_BYTES, 3 * SLICE_BYTES + 1])
def test_a_body_arrives_complete_and_in_pieces_of_at_most_a_slice(n_bytes: int) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    async def send(message: Message) -> None:
        sent.append(message)

    body = bytes(range(256)) * (n_bytes // 256) + b"x" * (n_bytes % 256)
    anyio.run(SlicedResponse(body, status_code=201), {"type": "http"}, receive, send)
    start, *parts = sent
    assert (start["status"], dict(start["headers"])[b"content-length"]) == (201, str(n_bytes).encode())
    assert max(len(part.get("body", b"")) for part in parts) <= SLICE_BYTES
    assert b"".join(part.get("body", b"") for part in parts) == body
    assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]


class ImpatientResponse(SlicedResponse):
    patience_s = 0.01


def test_a_client_that_does_not_read_is_disconnected() -> None:
    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    with pytest.raises(ClientDisconnect):
        anyio.run(ImpatientResponse(b"x"), {"type": "http"}, receive, send)
