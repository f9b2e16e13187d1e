from collections.abc import Iterator

import pytest

from tests.http_server import Server, serve
from tests.unit.training.curation.freesound_server import FreesoundServer
from tests.unit.training.curation.model_server import ModelServer


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def model_server(server: Server) -> ModelServer:
    return ModelServer(server)


@pytest.fixture
def freesound(server: Server) -> FreesoundServer:
    return FreesoundServer(server)
