import asyncio
from typing import Any

from service.client_transport import FIRST_RECEIVED_BYTES, ClientTransport
from service.patient_clock import PatientClock


class SocketTransport(asyncio.Transport):
    max_size = 256 << 10

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, data: Any) -> None:
        self.calls.append("write")

    def write_eof(self) -> None:
        self.calls.append("write_eof")

    def resume_reading(self) -> None:
        self.calls.append("resume_reading")

    def is_closing(self) -> bool:
        return "close" in self.calls

    def close(self) -> None:
        self.calls.append("close")


def test_a_connection_receives_little_at_a_time_until_it_may_receive_more() -> None:
    inner = SocketTransport()
    transport = ClientTransport(inner, lambda: False, PatientClock())
    assert inner.max_size == FIRST_RECEIVED_BYTES
    transport.receive_at_a_time(100_000)
    assert inner.max_size == 100_000


def test_only_the_side_of_the_service_is_closed_while_the_client_may_be_sending() -> None:
    inner, clock = SocketTransport(), PatientClock()
    transport = ClientTransport(inner, lambda: True, clock)
    transport.close()
    assert inner.calls == ["write_eof", "resume_reading"]
    assert (transport.lingering_since_s, transport.is_closing()) == (clock.now_s, True)


def test_the_connection_is_closed_if_the_client_sends_nothing() -> None:
    inner = SocketTransport()
    transport = ClientTransport(inner, lambda: False, PatientClock())
    transport.write(b"12345")
    transport.close()
    assert (inner.calls, transport.n_written, transport.is_lingering) == (["write", "close"], 5, False)
