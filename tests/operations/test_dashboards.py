"""Every query of every panel and every alert, in a real Prometheus that scrapes a real service under a mixed load."""

import math
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import patient_http
from tests.operations.dashboards import GPU_PANELS, PanelQuery, panel_queries
from tests.operations.mixed_load import SETTINGS, MixedLoad
from tests.operations.programs import prometheus
from tests.redis_server import RedisServer
from tests.service_process import Service, run_service
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docker" / "prometheus" / "alerts.yml"
BUNDLE = ROOT / "service" / "bundle"
SCRAPE = "1s"
RATE_INTERVAL = "8s"
EXPECTED_STATUSES = {200, 201, 204, 401, 404, 413, 415, 422, 429, 504}
IDLE_PANELS = {"Instances not ready", "Firing alerts", "Evictions", "Queued windows"}
"""Panels whose series may all be 0 although the load is mixed. A fast machine empties the queue of windows between scrapes."""


@dataclass(frozen=True)
class Observed:
    """A Prometheus that has scraped a service under load.

    Attributes:
        url: Address of Prometheus.
        begin_s, end_s: When the load began and ended, in Unix time.
        statuses: Number of answers by status.
    """

    url: str
    begin_s: float
    end_s: float
    statuses: Counter[int]

    def series(self, expression: str) -> list[dict[str, Any]]:
        """The series of a query over the time of the load.

        Raises:
            AssertionError: If Prometheus does not accept the query.
        """
        fields = {"query": expression, "start": str(self.begin_s), "end": str(self.end_s), "step": "1"}
        answer = patient_http.post(f"{self.url}/api/v1/query_range", data=fields).json()
        assert answer["status"] == "success", (expression, answer.get("error"))
        return answer["data"]["result"]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observed")
    redis, keys_file = RedisServer(folder), folder / "keys.toml"
    keys = _new_key(keys_file, "mixed", "unlimited"), _new_key(keys_file, "limited", "1")
    settings = SETTINGS | {"REDIS_URL": redis.url, "KEYS_FILE": str(keys_file), "LIBRARY": str(folder / "library")}
    try:
        with (
            run_service(BUNDLE, folder, lambda: None, **settings) as service,
            prometheus(_configuration(service, folder), folder) as url,
        ):
            _wait_for_scrapes(url)
            begin_s = time.time()
            with closing(MixedLoad(service, redis, keys)) as load:
                _run(load, service, lambda: _wait_for_scrapes(url))
            for _ in range(2):
                _wait_for_an_evaluation(url)
            yield Observed(url, begin_s, time.time(), load.statuses)
    finally:
        redis.stop()


def _new_key(file: Path, name: str, rate: str) -> str:
    """Makes a key without a daily quota, with `earmark key new`."""
    limits = ["--rate", rate, "--audio-seconds-per-day", "unlimited"]
    command = [sys.executable, "-m", "service", "key", "new", name, "--file", str(file), *limits]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def _configuration(service: Service, folder: Path) -> Path:
    """The configuration of docker compose, with short intervals and the address of the service."""
    configuration = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": "1s"}
    assert any(RULES.match(pattern) for pattern in configuration["rule_files"])
    configuration["rule_files"] = [str(RULES)]
    (earmark,) = [job for job in configuration["scrape_configs"] if job["job_name"] == "earmark"]
    earmark["static_configs"] = [{"targets": [service.url.removeprefix("http://")]}]
    configuration["scrape_configs"] = [earmark]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    return file


def _wait_for_scrapes(url: str) -> None:
    """Waits until Prometheus has read the service twice more."""
    before = _n_scrapes(url)
    wait_until(lambda: _n_scrapes(url) >= before + 2)


def _n_scrapes(url: str) -> float:
    series = patient_http.get(f"{url}/api/v1/query", params={"query": "count_over_time(earmark_ready[1h])"}).json()
    return sum(float(each["value"][1]) for each in series["data"]["result"])


def _wait_for_an_evaluation(url: str) -> None:
    """Waits until Prometheus has evaluated every rule once more."""
    now = datetime.now(UTC)
    wait_until(lambda: all(datetime.fromisoformat(group["lastEvaluation"]) > now for group in _groups(url)))


def _groups(url: str) -> list[dict[str, Any]]:
    """The groups of rules, with the results of their evaluations."""
    return patient_http.get(f"{url}/api/v1/rules").json()["data"]["groups"]


def _run(load: MixedLoad, service: Service, wait_for_scrapes: Callable[[], None]) -> None:
    """Sends the load in several rounds, so that every rate has two scrapes on both sides of its change."""
    for _ in range(2):
        load.send_ordinary()
        load.use_library()
        load.send_too_many(wait_for_scrapes)
        wait_for_scrapes()
    load.lose_a_decoder()
    load.miss_a_deadline()
    load.fill_redis()
    load.lose_redis(lambda: service.metric("earmark_redis_breaker_openings_total") >= 1)
    wait_for_scrapes()
    load.send_ordinary()
    wait_for_scrapes()


def test_the_load_has_successes_and_failures_of_all_kinds(observed: Observed) -> None:
    assert set(observed.statuses) >= EXPECTED_STATUSES, observed.statuses
    assert not {500, 502} & set(observed.statuses)


@pytest.mark.parametrize("query", list(panel_queries()), ids=str)
def test_every_query_of_a_panel_returns_data_with_the_labels_of_its_legend(
    observed: Observed, query: PanelQuery
) -> None:
    series = observed.series(query.resolved(RATE_INTERVAL))
    if query.panel in GPU_PANELS:
        return  # the query is valid; there is no GPU
    assert any(math.isfinite(float(value)) for item in series for _, value in item["values"]), f"no data: {query}"
    for item in series:
        assert set(item["metric"]) >= query.legend_labels, query


def test_every_panel_moves_under_the_mixed_load(observed: Observed) -> None:
    moving = {
        query.panel
        for query in panel_queries()
        for item in observed.series(query.resolved(RATE_INTERVAL))
        if any(float(value) > 0 for _, value in item["values"])
    }
    still = {query.panel for query in panel_queries()} - moving - GPU_PANELS
    assert still <= IDLE_PANELS, still - IDLE_PANELS


def test_every_rule_is_evaluated_without_an_error(observed: Observed) -> None:
    groups = _groups(observed.url)
    rules = [rule for group in groups for rule in group["rules"]]
    written = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {rule.get("alert", rule.get("record")) for rule in written}
    assert {rule["name"]: (rule["health"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"} == {}


def test_the_parts_of_every_alert_have_data(observed: Observed) -> None:
    """An alert that compares a series that does not exist never fires; each metric in an alert has series."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            for metric in _selectors(rule["expr"]):
                assert observed.series(metric) or "gpu" in metric, (rule, metric)


def _selectors(expression: str) -> list[str]:
    """The metrics that an expression reads, with their labels except those of a model that runs on a GPU."""
    selectors = re.findall(r"\b(?:earmark[_:][\w:]+|up)(?:{[^}]*})?", expression)
    return [selector for selector in selectors if "CUDA" not in selector]


def test_the_alert_rules_pass_their_unit_tests() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", str(Path(__file__).with_name("alerts_test.yml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
