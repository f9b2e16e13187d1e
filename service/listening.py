"""Sockets on which the service listens."""

import contextlib
import ipaddress
import socket
from contextlib import AbstractContextManager

from service.core.start_errors import AccessUndecided, AddressUnavailable, MetricsAddressUnavailable


def bind(host: str, port: int, error_type: type[AddressUnavailable] = AddressUnavailable) -> socket.socket:
    """Binds a socket to an address, without listening on it yet.

    Args:
        host: Address or host name.
        port: TCP port; 0 takes any free port.
        error_type: Class of the error, which names the settings of the address.

    Raises:
        AddressUnavailable: If the address is in use, or does not belong to this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise error_type(host, port, error.strerror or str(error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise error_type(host, port, error.strerror or str(error)) from error
    return listener


def bind_if_allowed(host: str, port: int, *, is_open: bool) -> socket.socket:
    """Binds a socket as `bind` does, unless other machines could reach a service that accepts everybody.

    Args:
        host: Address to listen on.
        port: TCP port.
        is_open: Whether the operator has decided who may use the service.

    Raises:
        AddressUnavailable: If the address is in use, or does not belong to this machine.
        AccessUndecided: If the address is not a loopback address and the operator has not decided.
    """
    listener = bind(host, port)
    address = listener.getsockname()[0].partition("%")[0]  # without the zone of an IPv6 address
    if not is_open and not ipaddress.ip_address(address).is_loopback:
        listener.close()
        raise AccessUndecided(host)
    return listener


def bind_metrics(host: str, port: int, main: socket.socket) -> AbstractContextManager[socket.socket | None]:
    """Binds a socket for metrics.

    Args:
        host: Address or host name.
        port: TCP port; 0 for no socket.
        main: The bound socket of the API, whose port cannot be used again.

    Returns:
        A context manager that closes the socket.

    Raises:
        MetricsAddressUnavailable: If the address is in use, or does not belong to this machine.
    """
    if port == 0:
        return contextlib.nullcontext()
    if port == main.getsockname()[1]:
        raise MetricsAddressUnavailable(host, port, "it is the port of the service itself")
    return bind(host, port, MetricsAddressUnavailable)
