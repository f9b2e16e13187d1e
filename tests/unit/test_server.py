import pytest

from service.core.errors import AddressUnavailable
from service.server import bind, url_of


def test_a_free_port_is_taken_and_told() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://127.0.0.1:{port}"


def test_a_taken_port_is_told_with_the_settings_that_decide() -> None:
    with bind("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=rf"127\.0\.0\.1:{port}: .*\(EARMARK_HOST, EARMARK_PORT\)"):
            bind("127.0.0.1", port)


def test_an_address_of_another_machine_cannot_be_had() -> None:
    with pytest.raises(AddressUnavailable):
        bind("192.0.2.1", 0)
