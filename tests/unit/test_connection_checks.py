from collections.abc import Sequence
from typing import Any, cast

from service.connection_checks import close_idlest
from service.connections import Connection


class FakeConnection:
    def __init__(self, idle_since_s: float, may_be_closed: bool = True) -> None:
        self.idle_since_s, self._may_be_closed = idle_since_s, may_be_closed
        self.is_closed = False

    def may_be_closed(self, now_s: float) -> bool:
        return self._may_be_closed

    def make_room(self) -> None:
        self.is_closed = True


def closed(connections: Sequence[FakeConnection], max_connections: int) -> list[float]:
    close_idlest(cast("Any", connections), max_connections, now_s=100.0)
    return [connection.idle_since_s for connection in connections if connection.is_closed]


def test_as_many_connections_as_the_limit_stay_open() -> None:
    assert closed([FakeConnection(1.0), FakeConnection(2.0)], max_connections=2) == []


def test_beyond_the_limit_the_idlest_are_closed() -> None:
    connections = [FakeConnection(since_s) for since_s in (3.0, 1.0, 4.0, 2.0)]
    assert sorted(closed(connections, max_connections=2)) == [1.0, 2.0]


def test_connections_that_are_in_use_stay_open_however_many_there_are() -> None:
    connections = [
        FakeConnection(1.0, may_be_closed=False),
        FakeConnection(2.0, may_be_closed=False),
        FakeConnection(3.0),
    ]
    assert closed(connections, max_connections=0) == [3.0]


def test_a_connection_has_all_that_the_checks_need() -> None:
    for name in ("idle_since_s", "may_be_closed", "make_room", "check"):
        assert hasattr(Connection, name)
