"""Prometheus as docker-compose.yml starts it reads the metrics of a real service."""

import subprocess
from pathlib import Path

import pytest

from tests import patient_http
from tests.free_ports import free_port
from tests.operations.checkout import Checkout, prepare_checkout
from tests.operations.programs import answers, query, running
from tests.service_process import Service, wav
from tests.waiting import wait_until

CONFIGURATION = "docker/prometheus/prometheus.yml"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "checkout"
    root.mkdir()
    return prepare_checkout(root)


def test_promtool_accepts_the_configuration_and_its_rules(checkout: Checkout) -> None:
    (option,) = [word for word in checkout.command("prometheus") if word.startswith("--config.file=")]
    command = ["promtool", "check", "config", option.partition("=")[2]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_has_no_complaint_about_the_metrics(service: Service) -> None:
    exposition = patient_http.get(f"{service.url}/metrics").content
    done = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_prometheus_reads_the_service(checkout: Checkout, service: Service) -> None:
    assert service.post(wav(1.0)).status_code == 200
    port = free_port()
    checkout.replace(
        CONFIGURATION,
        ("earmark:9100", "{}:{}".format(*service.address)),
        ("localhost:9090", f"localhost:{port}"),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("scrape_timeout: 10s", "scrape_timeout: 1s"),
    )
    command = ["prometheus", *checkout.command("prometheus"), f"--web.listen-address=127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}"
    ready = checkout.health_check("prometheus").split()[-1].replace("http://127.0.0.1:9090", url)
    with running(command, checkout.root / "prometheus.log", answers(ready)):
        wait_until(lambda: query(url, 'up{job="earmark"} == 1'))
        wait_until(lambda: query(url, 'up{job="prometheus"} == 1'))
        assert query(url, 'earmark_requests_total{job="earmark",route="/localize",status="200"} == 1')
        assert not query(url, 'up{job="dcgm-exporter"}')  # no such name here, and so no target that is down
