"""TCP ports for programs that have to be told their port."""

import contextlib
import random
import socket

_PORTS = range(20_000, 32_000)  # above the ports of Ray's workers, below those that Linux gives to connections


def free_port() -> int:
    """A TCP port of this machine; see `free_ports`."""
    (port,) = free_ports(1)
    return port


def free_ports(number: int) -> list[int]:
    """TCP ports of this machine that are free now, and that Linux gives to no connection of its own accord."""
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        for port in random.sample(_PORTS, len(_PORTS)):
            listener = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == number:
                return ports
    raise AssertionError
