import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.api.admission import Admission, AdmissionLimits
from service.api.demand import DemandEstimate
from service.api.engine_metrics import EngineMetrics
from service.api.lanes import Lanes
from service.core.errors import TooManyBytes
from tests.unit.api.expositions import parse_series
from tests.unit.api.fake_engine import FakeBatcher, FakeEngine


def read(engine: FakeEngine, admission: Admission) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(EngineMetrics(engine, admission))
    return parse_series(generate_latest(registry).decode())


def admission(max_bytes: int = 100) -> Admission:
    limits = AdmissionLimits(max_wait_s=30, max_requests=2, max_bytes=max_bytes, max_connections=5)
    return Admission(limits, DemandEstimate(FakeBatcher(), Lanes(parallel_windows=4)), is_shutting_down=lambda: False)


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


def test_the_fill_of_batches_follows_from_their_sizes_and_the_limit() -> None:
    engine = FakeEngine()
    for n_windows in (1, 4, 3, 300):
        engine.batcher.counts.add(n_windows, seconds=0.25)
    series = read(engine, admission())
    bounds = ("1.0", "2.0", "4.0", "256.0", "+Inf")
    assert [series[f'earmark_batch_windows_bucket{{le="{bound}"}}'] for bound in bounds] == [1, 1, 3, 3, 4]
    assert (series["earmark_batch_windows_count"], series["earmark_batch_windows_sum"]) == (4, 308)
    assert (series["earmark_max_batch_windows"], series["earmark_inference_seconds_total"]) == (4, 1)


def test_the_memory_of_each_gpu_is_exposed_and_without_a_gpu_there_are_no_series() -> None:
    engine = FakeEngine()
    with_gpu = read(engine, admission())
    assert with_gpu['earmark_gpu_memory_used_bytes{gpu="0"}'] == 3 * 2**30
    assert with_gpu['earmark_gpu_memory_total_bytes{gpu="0"}'] == 80 * 2**30
    engine.gpus = list
    assert not [name for name in read(engine, admission()) if "gpu" in name]


def test_refused_requests_are_counted_by_reason() -> None:
    full = admission(max_bytes=1)
    with pytest.raises(TooManyBytes), full.receive() as received:
        full.count(received, 2)
    series = read(FakeEngine(), full)
    refused = {reason: series[f'earmark_requests_refused_total{{reason="{reason}"}}'] for reason in full.refused}
    assert refused == {"wait": 0, "requests": 0, "bytes": 1, "ending": 0, "answers": 0, "connections": 0, "slow": 0}
