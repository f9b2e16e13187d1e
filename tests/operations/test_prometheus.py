"""A real Prometheus reads the metrics of a real service."""

import subprocess
from pathlib import Path

import httpx

from tests.operations.programs import prometheus, query
from tests.service_process import Service, soon, wav


def test_a_real_prometheus_scrapes_the_service(service: Service, tmp_path: Path) -> None:
    assert service.post(wav(1.0)).status_code == 200
    host, port = service.address
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(
        f"scrape_configs: [{{job_name: earmark, scrape_interval: 250ms, scrape_timeout: 250ms, "
        f"static_configs: [{{targets: ['{host}:{port}']}}]}}]"
    )
    with prometheus(configuration, tmp_path) as url:
        assert soon(lambda: query(url, 'up{job="earmark"} == 1'), 15)
        assert soon(lambda: query(url, 'earmark_requests_total{route="/localize",status="200"} == 1'))


def test_promtool_has_no_complaint_about_the_metrics(service: Service) -> None:
    exposition = httpx.get(f"{service.url}/metrics").content
    done = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
