import re

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from service.api.metrics import UPLOAD_AND_STAGES, Metrics
from service.engine.clip_warnings import CLIP_WARNINGS
from tests.unit.api.conftest import Post
from tests.unit.api.expositions import parse_series, read_series

pytestmark = pytest.mark.anyio


async def test_metrics_count_requests_clips_and_stages(client: httpx.AsyncClient, post: Post) -> None:
    await post()
    await post(("query", "rain"))
    await post(query="")
    await client.get("/nowhere")
    series = parse_series((await client.get("/metrics")).text)
    assert series['earmark_requests_total{route="/localize",status="200"}'] == 2
    assert series['earmark_requests_total{route="/localize",status="422"}'] == 1
    assert series['earmark_requests_total{route="other",status="404"}'] == 1
    assert series['earmark_clips_total{cached="true"}'] == 1
    assert series['earmark_clips_total{cached="false"}'] == 1
    assert series["earmark_queries_sum"] == 3
    assert series["earmark_clip_seconds_count"] == 2
    assert series['earmark_stage_seconds_count{stage="inference"}'] == 2
    assert series['earmark_request_seconds_count{route="/localize"}'] == 3
    assert series["earmark_requests_in_flight"] == 1
    assert series['earmark_model_info{device="auto",name="fake",provider="FakeProvider",version="2"}'] == 1
    assert series["earmark_ready"] == 0


async def test_no_series_appears_only_after_the_first_request(client: httpx.AsyncClient, post: Post) -> None:
    before = parse_series((await client.get("/metrics")).text)
    await post()
    await post(query="")
    await client.get("/readyz")
    await client.get("/info")
    await client.get("/nowhere")
    await client.get("/problems/audio-empty")
    await client.head("/clips/x")
    after = parse_series((await client.get("/metrics")).text)
    assert set(after) == set(before)
    assert all(name.startswith("earmark_") for name in after)


async def test_unknown_paths_create_no_new_series(client: httpx.AsyncClient) -> None:
    for path in ("/a", "/b", "/problems/c", "/clips/d"):
        await client.get(path)
    text = (await client.get("/metrics")).text
    assert not re.search(r'route="/(a|b|problems/c|clips/d)"', text)


def test_every_stage_and_declared_status_has_a_series_before_the_first_request() -> None:
    metrics = Metrics()
    metrics.declare_routes({"/localize": [200, 429]})
    series = read_series(metrics)
    assert series['earmark_requests_total{route="/localize",status="429"}'] == 0
    assert series['earmark_request_seconds_count{route="/localize"}'] == 0
    assert all(series[f'earmark_stage_seconds_count{{stage="{stage}"}}'] == 0 for stage in UPLOAD_AND_STAGES)
    assert series['earmark_clips_total{cached="true"}'] == series['earmark_clips_total{cached="false"}'] == 0


def test_a_request_is_in_flight_from_its_begin_to_its_end() -> None:
    metrics = Metrics()
    metrics.begin_request()
    metrics.begin_request()
    metrics.end_request("/localize", 200, 0.2)
    series = read_series(metrics)
    assert series["earmark_requests_in_flight"] == 1
    assert series['earmark_request_seconds_sum{route="/localize"}'] == 0.2


def test_stages_clips_and_queries_are_summed() -> None:
    metrics = Metrics()
    metrics.count_stages({"decode": 0.5, "inference": 2.0})
    metrics.count_clip(30.0, cached=False, n_queries=4)
    metrics.count_clip(12.5, cached=True, n_queries=1)
    series = read_series(metrics)
    assert series['earmark_stage_seconds_sum{stage="inference"}'] == 2.0
    assert series['earmark_clips_total{cached="true"}'] == 1
    assert series["earmark_clip_seconds_sum"] == 42.5
    assert series['earmark_audio_seconds_total{cached="false"}'] == 30
    assert series['earmark_audio_seconds_total{cached="true"}'] == 12.5
    assert series["earmark_queries_sum"] == 5


def test_every_code_of_a_warning_about_a_clip_has_a_series_from_the_start_and_counts_once_a_clip() -> None:
    metrics = Metrics()
    assert all(read_series(metrics)[f'earmark_clip_warnings_total{{code="{code}"}}'] == 0 for code in CLIP_WARNINGS)
    metrics.count_clip(30.0, cached=False, n_queries=4, warning_codes=["sound-lost", "sound-lost", "dc-offset"])
    series = read_series(metrics)
    assert series['earmark_clip_warnings_total{code="sound-lost"}'] == 1
    assert series['earmark_clip_warnings_total{code="dc-offset"}'] == 1
    assert series['earmark_clip_warnings_total{code="clipped"}'] == 0


def test_buckets_reach_from_the_shortest_to_the_longest_measured_latency() -> None:
    metrics = Metrics()
    metrics.declare_routes({"/localize": [200]})
    for seconds in (0.002, 0.0021, 299, 300, 301):
        metrics.begin_request()
        metrics.end_request("/localize", 200, seconds)
    metrics.count_stages({"post": 0.0004})
    series = read_series(metrics)
    counts = [
        series[f'earmark_request_seconds_bucket{{le="{le}",route="/localize"}}'] for le in (0.002, 0.005, 120.0, 300.0)
    ]
    assert counts == [1, 2, 2, 4]
    assert series['earmark_stage_seconds_bucket{le="0.0005",stage="post"}'] == 1


def test_the_versions_of_the_parts_are_labels_of_one_series() -> None:
    metrics = Metrics()
    metrics.declare_build({"version": "1.2.3", "python": "3.11.9", "onnxruntime": "1.30.0"})
    assert read_series(metrics)['earmark_build_info{onnxruntime="1.30.0",python="3.11.9",version="1.2.3"}'] == 1


def test_histograms_carry_the_trace_id_as_an_exemplar_in_openmetrics_only() -> None:
    trace = ["4bf92f3577b34da6a3ce929d0e0e4736"]
    metrics = Metrics(trace_id=lambda: trace[0])
    metrics.begin_request()
    metrics.end_request("/localize", 200, 0.2)
    metrics.count_stages({"decode": 0.5})
    metrics.count_clip(30.0, cached=False, n_queries=4)
    content, _ = metrics.exposition("application/openmetrics-text;version=1.0.0")
    lines = [line for line in content.decode().splitlines() if f'# {{trace_id="{trace[0]}"}}' in line]
    assert {line.split("{")[0].removesuffix("_bucket") for line in lines} == {
        "earmark_request_seconds",
        "earmark_stage_seconds",
        "earmark_clip_seconds",
        "earmark_queries",
    }
    assert trace[0] not in metrics.exposition()[0].decode()


@pytest.mark.parametrize("trace_id", [None, ""])
def test_without_a_trace_there_is_no_exemplar(trace_id: str | None) -> None:
    metrics = Metrics(trace_id=lambda: trace_id)
    metrics.count_stages({"decode": 0.5})
    assert b"trace_id" not in metrics.exposition("application/openmetrics-text")[0]


def test_a_registered_collector_is_read_at_each_scrape() -> None:
    class Clock(Collector):
        value = 0

        def collect(self) -> list[Metric]:
            self.value += 1
            return [GaugeMetricFamily("earmark_clock", "Number of reads.", self.value)]

    metrics = Metrics()
    metrics.register(Clock())
    first = read_series(metrics)["earmark_clock"]
    assert read_series(metrics)["earmark_clock"] == first + 1


def test_services_in_one_process_do_not_share_counts() -> None:
    first, second = Metrics(), Metrics()
    first.begin_request()
    assert read_series(second)["earmark_requests_in_flight"] == 0
