"""Metrics of the engine and of admission control, read from their counters at each scrape."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.api.admission import Admission
from service.engine.interface import LocalizationEngine


class EngineMetrics(Collector):
    """Prometheus collector that reads the counters of an engine and of an `Admission`."""

    def __init__(self, engine: LocalizationEngine, admission: Admission) -> None:
        self._engine, self._admission = engine, admission

    def collect(self) -> Iterator[Metric]:
        """Yields the current values."""
        batcher = self._engine.batcher
        counts = batcher.counts
        yield CounterMetricFamily(
            "earmark_batches", "Batches of windows that the audio encoder processed.", counts.batches
        )
        yield CounterMetricFamily(
            "earmark_batches_failed", "Batches of windows that failed in the audio encoder.", counts.failed
        )
        yield CounterMetricFamily("earmark_windows", "Windows that the audio encoder embedded.", counts.windows)
        yield CounterMetricFamily(
            "earmark_windows_dropped",
            "Windows that were dropped because their request had been abandoned.",
            counts.dropped,
        )
        yield GaugeMetricFamily(
            "earmark_queued_windows", "Windows that are waiting or being processed.", batcher.queued_windows
        )
        yield GaugeMetricFamily(
            "earmark_backlog_seconds",
            "Estimated time to process all windows of the running requests, in seconds.",
            batcher.backlog_s,
        )
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
