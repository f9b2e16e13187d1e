"""Service links: the variables that Kubernetes sets in every container for each Service of the namespace.

A Service named `earmark` gives EARMARK_SERVICE_HOST, EARMARK_SERVICE_PORT, EARMARK_PORT=tcp://10.0.0.1:8000 and more; a
Service named `earmark-redis` gives EARMARK_REDIS_SERVICE_HOST and so on. They look like settings, but are none.
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

import ipaddress
import re
from collections.abc import Callable, Mapping

_PROTOCOL = r"(?:TCP|UDP|SCTP)"
_PORT_NAME = r"[A-Z0-9_]+"


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", value) is not None and int(value) <= 65_535


def _is_url(value: str) -> bool:
    match = re.fullmatch(rf"{_PROTOCOL}://(.+):([^:]+)", value, re.IGNORECASE)
    return match is not None and _is_address(match[1]) and _is_port(match[2])


def _is_protocol(value: str) -> bool:
    return re.fullmatch(_PROTOCOL, value, re.IGNORECASE) is not None


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (re.compile(rf"(?:{_PORT_NAME}_)?{ending}"), accepts)
    for ending, accepts in (
        ("SERVICE_HOST", _is_address),
        (rf"SERVICE_PORT(?:_{_PORT_NAME})?", _is_port),
        ("PORT", _is_url),
        (rf"PORT_[0-9]+_{_PROTOCOL}", _is_url),
        (rf"PORT_[0-9]+_{_PROTOCOL}_PROTO", _is_protocol),
        (rf"PORT_[0-9]+_{_PROTOCOL}_PORT", _is_port),
        (rf"PORT_[0-9]+_{_PROTOCOL}_ADDR", _is_address),
    )
)
"""Shapes of a name, without the prefix, each with a check of its value."""


def find_service_links(environment: Mapping[str, str], prefix: str) -> list[str]:
    """Names of the variables that start with `prefix` and have the name and the value of a service link, in order.

    >>> find_service_links({"A_PORT": "tcp://10.0.0.1:80", "A_SERVICE_HOST": "10.0.0.1", "A_PROT": "80"}, "A_")
    ['A_PORT', 'A_SERVICE_HOST']
    """
    return sorted(
        name
        for name, value in environment.items()
        if name.startswith(prefix)
        and any(shape.fullmatch(name.removeprefix(prefix)) is not None and accepts(value) for shape, accepts in _SHAPES)
    )
