from fastapi import FastAPI

from service.listening import bind
from service.server import Endpoint


def test_port_0_binds_a_free_port_that_the_url_names() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert Endpoint(FastAPI(), listener).url == f"http://127.0.0.1:{port}"
