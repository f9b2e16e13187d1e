from collections.abc import Iterator

import pytest

from tests.http_server import Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as server:
        yield server
