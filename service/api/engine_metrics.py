"""Metrics of the engine and of admission control, read from their counters at each scrape."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from service.api.admission import Admission
from service.engine.batch_counts import BATCH_SIZES, BatchCounts
from service.engine.interface import LocalizationEngine, WindowQueue


class EngineMetrics(Collector):
    """Prometheus collector that reads the counters of an engine and of an `Admission`."""

    def __init__(self, engine: LocalizationEngine, admission: Admission) -> None:
        self._engine, self._admission = engine, admission

    def collect(self) -> Iterator[Metric]:
        """Yields the current values."""
        yield from _batch_metrics(self._engine.batcher.counts)
        yield from _queue_metrics(self._engine.batcher)
        refused = CounterMetricFamily(
            "earmark_requests_refused", "Requests that were refused, by reason.", labels=["reason"]
        )
        for reason, count in self._admission.refused.items():
            refused.add_metric([reason], count)
        yield refused
        shares = GaugeMetricFamily(
            "earmark_node_share",
            "Fraction of the audio encoder's graph nodes that an execution provider runs.",
            labels=["provider"],
        )
        for provider, share in self._engine.node_shares.items():
            shares.add_metric([provider], share)
        yield shares
        yield from self._gpu_metrics()

    def _gpu_metrics(self) -> Iterator[Metric]:
        used = GaugeMetricFamily(
            "earmark_gpu_memory_used_bytes",
            "GPU memory in use, by this and by other processes, in bytes. Absent without a GPU or the extra gpu.",
            labels=["gpu"],
        )
        total = GaugeMetricFamily(
            "earmark_gpu_memory_total_bytes",
            "Size of the GPU memory, in bytes. Absent without a GPU or the extra gpu.",
            labels=["gpu"],
        )
        for gpu in self._engine.gpus():
            used.add_metric([str(gpu.index)], gpu.used_bytes)
            total.add_metric([str(gpu.index)], gpu.total_bytes)
        yield used
        yield total


def _batch_metrics(counts: BatchCounts) -> Iterator[Metric]:
    yield CounterMetricFamily("earmark_batches", "Batches of windows that the audio encoder processed.", counts.batches)
    yield CounterMetricFamily(
        "earmark_batches_failed", "Batches of windows that failed in the audio encoder.", counts.failed
    )
    sizes = HistogramMetricFamily("earmark_batch_windows", "Number of windows in a batch.")
    bounds = (*(str(float(size)) for size in BATCH_SIZES), "+Inf")
    sizes.add_metric([], list(zip(bounds, accumulate(counts.by_size), strict=True)), counts.windows)
    yield sizes
    yield CounterMetricFamily(
        "earmark_inference_seconds",
        "Time that the audio encoder spent on batches, in seconds; a batch on one of n CPU threads counts an n-th.",
        counts.seconds,
    )
    yield CounterMetricFamily("earmark_windows", "Windows that the audio encoder embedded.", counts.windows)
    yield CounterMetricFamily(
        "earmark_windows_dropped", "Windows that were dropped because their request had been abandoned.", counts.dropped
    )


def _queue_metrics(queue: WindowQueue) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "earmark_max_batch_windows",
        "Largest number of windows in a batch: EARMARK_BATCH_WINDOWS on a GPU, 1 on a CPU.",
        queue.max_windows,
    )
    yield GaugeMetricFamily(
        "earmark_queued_windows", "Windows that are waiting or being processed.", queue.queued_windows
    )
    yield GaugeMetricFamily(
        "earmark_backlog_seconds",
        "Estimated time to process all windows of the running requests, in seconds.",
        queue.backlog_s,
    )
