"""docker-compose.yml read by Docker Compose itself, and the service started with the environment that it gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import patient_http
from tests.compose_file import ROOT, active_services
from tests.free_ports import free_port
from tests.operations.checkout import Checkout, prepare_checkout
from tests.operations.programs import answers, running

DOCKER_COMPOSE = "lib/python*/site-packages/compose/docker-compose"
"""The program within .venv-image; the script in `bin` loses its exit status."""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return prepare_checkout(tmp_path)


def read_with_docker_compose(folder: Path, profiles: str) -> "subprocess.CompletedProcess[str]":
    programs = list((ROOT / ".venv-image").glob(DOCKER_COMPOSE))
    assert programs, "make operations-check installs Docker Compose"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "COMPOSE_PROFILES": profiles}
    command = [programs[0], "config", "--format", "json"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("profiles", ["cpu", "gpu", "cpu,proxy", "gpu,proxy"])
def test_docker_compose_starts_the_services_of_the_profiles(checkout: Checkout, profiles: str) -> None:
    done = read_with_docker_compose(checkout.root, profiles)
    assert (done.returncode, done.stderr) == (0, "")
    config = json.loads(done.stdout)
    assert set(config["services"]) == active_services(*profiles.split(","))
    for name, service in config["services"].items():
        assert service["mem_limit"] == str(int(service["mem_limit"])), name
    earmark = config["services"]["earmark-gpu" if "gpu" in profiles else "earmark"]
    assert earmark["environment"]["EARMARK_OPEN"] == "1"  # from .env
    assert earmark["ports"][0]["host_ip"] == "127.0.0.1"
    assert earmark["stop_grace_period"] == "45s"


def test_without_the_preparation_docker_compose_names_what_is_missing(checkout: Checkout) -> None:
    (checkout.root / ".env").unlink()
    done = read_with_docker_compose(checkout.root, "cpu")
    assert done.returncode != 0
    assert f"env file {checkout.root / '.env'} not found" in done.stderr


def test_the_service_starts_with_the_environment_of_the_file(checkout: Checkout, tiny_bundle: Path) -> None:
    port, metrics = free_port(), free_port()
    environment = checkout.environment("earmark")
    assert environment["EARMARK_HOST"] == "0.0.0.0"
    own = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    own |= environment | {
        "EARMARK_PORT": str(port),
        "EARMARK_METRICS_PORT": str(metrics),
        "EARMARK_BUNDLE": str(tiny_bundle),
        "EARMARK_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
    }
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "service", "serve"]
    with running(command, checkout.root / "earmark.log", answers(f"{url}/readyz"), own) as program:
        assert patient_http.get(f"{url}/readyz").json()["degraded"] == ["redis"]  # the name redis leads nowhere here
        assert "earmark_ready 1.0" in patient_http.get(f"http://127.0.0.1:{metrics}/metrics").text
        assert patient_http.get(f"{url}/metrics").status_code == 404
    assert program.process.returncode == 0
    for line in program.log.splitlines():
        assert line.startswith(("{", "Earmark")), line
