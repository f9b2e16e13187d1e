import socket

import pytest

from service.core.start_errors import AccessUndecided, AddressUnavailable, MetricsAddressUnavailable
from service.listening import bind, bind_if_allowed, bind_metrics


def test_a_port_in_use_is_refused_and_the_settings_are_named() -> None:
    with bind("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=rf"127\.0\.0\.1:{port}: .*\(EARMARK_HOST, EARMARK_PORT\)"):
            bind("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressUnavailable):
        bind("192.0.2.1", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost"])
def test_this_machine_may_always_use_the_service(host: str) -> None:
    bind_if_allowed(host, 0, is_open=False).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "0", socket.gethostbyname(socket.gethostname())])
def test_an_address_that_others_can_reach_needs_a_decision_of_the_operator(host: str) -> None:
    bind_if_allowed(host, 0, is_open=True).close()
    if not host.startswith("127."):
        with pytest.raises(
            AccessUndecided, match=rf"EARMARK_HOST is {host}, .* set EARMARK_KEYS_FILE .* EARMARK_OPEN=1 .*127\.0\.0\.1"
        ):
            bind_if_allowed(host, 0, is_open=False)


def test_metrics_have_a_port_of_their_own() -> None:
    with bind("127.0.0.1", 0) as main, bind("127.0.0.1", 0) as other:
        other.listen()
        for taken in (main.getsockname()[1], other.getsockname()[1]):
            with pytest.raises(MetricsAddressUnavailable, match=r"\(EARMARK_METRICS_HOST, EARMARK_METRICS_PORT\)"):
                bind_metrics("127.0.0.1", taken, main)
