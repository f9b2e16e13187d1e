import doctest

import pytest

from service import service_links
from service.service_links import find_service_links

LINKS = {
    "SERVICE_HOST": "10.0.0.1",
    "SERVICE_PORT": "8000",
    "SERVICE_PORT_HTTP": "8000",
    "SERVICE_PORT_METRICS_2": "9000",
    "PORT": "tcp://10.0.0.1:8000",
    "PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "PORT_8000_TCP_PROTO": "tcp",
    "PORT_8000_TCP_PORT": "8000",
    "PORT_8000_TCP_ADDR": "10.0.0.1",
    "PORT_53_UDP": "udp://10.0.0.1:53",
    "PORT_53_UDP_PROTO": "udp",
    "PORT_9_SCTP": "sctp://[fd00::1]:9",
    "PORT_9_SCTP_ADDR": "fd00::1",
}
"""What Kubernetes sets for a Service, after the name of the Service in capital letters."""


@pytest.mark.parametrize("service", ["EARMARK", "EARMARK_REDIS", "EARMARK_CANARY_2"])
def test_all_variables_of_a_service_are_recognized(service: str) -> None:
    environment = {f"{service}_{name}": value for name, value in LINKS.items()}
    assert find_service_links(environment, "EARMARK_") == sorted(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EARMARK_PORT", "8000"),
        ("EARMARK_PORT", "tcp://"),
        ("EARMARK_PORT", "tcp://10.0.0.1:99999"),
        ("EARMARK_PORT", "http://10.0.0.1:8000"),
        ("EARMARK_HOST", "10.0.0.1"),
        ("EARMARK_SERVICE_PRT", "8000"),
        ("EARMARK_SERVICE_HOST", "not an address"),
        ("EARMARK_SERVICE_PORT", "eighty"),
        ("EARMARK_PORT_8000_TPC", "tcp://10.0.0.1:8000"),
        ("EARMARK_PORT_8000_TCP", "8000"),
        ("EARMARK_PORT_8000_TCP_PROTO", "carrier pigeon"),
        ("EARMARK_REDIS_URL", "tcp://10.0.0.1:6379"),
        ("earmark_service_host", "10.0.0.1"),
        ("OTHER_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_other_names_and_values_are_not(name: str, value: str) -> None:
    assert find_service_links({name: value}, "EARMARK_") == []


def test_the_example_holds() -> None:
    assert doctest.testmod(service_links).failed == 0
