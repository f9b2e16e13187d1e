import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.api.admission import Admission
from service.api.engine_metrics import EngineMetrics
from service.core.errors import TooManyBytes
from tests.unit.api.expositions import parse_series
from tests.unit.api.fake_engine import FakeEngine


def read(engine: FakeEngine, admission: Admission) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(EngineMetrics(engine, admission))
    return parse_series(generate_latest(registry).decode())


def admission(max_bytes: int = 100) -> Admission:
    return Admission(2, max_bytes, backlog_s=lambda: 0.0, is_shutting_down=lambda: False)


def test_the_queue_and_the_providers_of_the_engine_are_exposed() -> None:
    series = read(FakeEngine(), admission())
    assert (series["earmark_queued_windows"], series["earmark_backlog_seconds"]) == (5, 2.5)
    assert series['earmark_node_share{provider="FakeProvider"}'] == 1


def test_batches_and_windows_are_read_at_each_scrape() -> None:
    engine = FakeEngine()
    names = ("batches", "batches_failed", "windows", "windows_dropped")
    before = read(engine, admission())
    counts = engine.batcher.counts
    counts.batches, counts.failed, counts.windows, counts.dropped = 4, 3, 2, 1
    after = read(engine, admission())
    assert [before[f"earmark_{name}_total"] for name in names] == [0, 0, 0, 0]
    assert [after[f"earmark_{name}_total"] for name in names] == [4, 3, 2, 1]


def test_refused_requests_are_counted_by_reason() -> None:
    full = admission(max_bytes=1)
    with pytest.raises(TooManyBytes), full.receive() as received:
        full.count(received, 2)
    series = read(FakeEngine(), full)
    refused = {reason: series[f'earmark_requests_refused_total{{reason="{reason}"}}'] for reason in full.refused}
    assert refused == {"requests": 0, "bytes": 1, "ending": 0, "answers": 0, "connections": 0, "slow": 0}
