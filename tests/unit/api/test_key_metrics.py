import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.api.key_metrics import OUTCOMES, REFUSALS, KeyMetrics, outcome_of


def _lines(metrics: KeyMetrics) -> set[str]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return set(generate_latest(registry).decode().splitlines())


def test_all_series_of_every_key_exist_from_the_start() -> None:
    lines = _lines(KeyMetrics(lambda: {"a", "b"}))
    for key in ("anonymous", "a", "b"):
        assert {f'earmark_key_requests_total{{key="{key}",outcome="{outcome}"}} 0.0' for outcome in OUTCOMES} <= lines
        assert f'earmark_key_audio_seconds_total{{key="{key}"}} 0.0' in lines
    assert {f'earmark_key_refusals_total{{reason="{reason}"}} 0.0' for reason in REFUSALS} <= lines


def test_the_series_of_a_removed_key_go_and_begin_anew_if_it_comes_back() -> None:
    names = {"a"}
    metrics = KeyMetrics(lambda: names)
    metrics.count_request("a", "ok", 1.5)
    assert 'earmark_key_audio_seconds_total{key="a"} 1.5' in _lines(metrics)
    names.clear()
    assert not [line for line in _lines(metrics) if 'key="a"' in line]
    names.add("a")
    assert 'earmark_key_requests_total{key="a",outcome="ok"} 0.0' in _lines(metrics)


def test_counting_and_scraping_at_the_same_time_loses_nothing() -> None:
    metrics = KeyMetrics(lambda: {"a"})

    def count() -> None:
        for _ in range(2000):
            metrics.count_request("a", "ok")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        _lines(metrics)
    assert 'earmark_key_requests_total{key="a",outcome="ok"} 8000.0' in _lines(metrics)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, "gone"), (200, "ok"), (204, "ok"), (401, "client_error"), (429, "client_error"), (500, "server_error")],
)
def test_answers_have_classes(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome
