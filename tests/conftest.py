import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.tiny_bundle import build_tiny_bundle

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before anything imports onnxruntime
from tests.tiny_pack import build_tiny_pack

# other programs may use the cores at the same time, so no example may be too slow; the examples are the same in every run
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("earmark", derandomize=True, **PATIENT)
settings.register_profile("random", **PATIENT)  # other examples in every run: pytest --hypothesis-profile random
settings.load_profile("earmark")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def tiny_bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture(autouse=True)
def plain_log_records() -> Iterator[None]:
    """Log records as Python makes them; Ray, once imported, adds a time to those of the whole process."""
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    yield
    logging.setLogRecordFactory(before)
