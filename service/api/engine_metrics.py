"""What the engine and the door in front of it have counted, read when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.api.admission import Admission
from service.engine.interface import LocalizationEngine


class EngineMetrics(Collector):
    """A collector over counts that their owners keep."""

    def __init__(self, engine: LocalizationEngine, admission: Admission) -> None:
        self._engine, self._admission = engine, admission

    def collect(self) -> Iterator[Metric]:
        """The counts as they are now."""
        batcher = self._engine.batcher
        counts = batcher.counts
        yield CounterMetricFamily("earmark_batches", "Batches of windows run.", counts.batches)
        yield CounterMetricFamily("earmark_batches_failed", "Batches of windows that failed.", counts.failed)
        yield CounterMetricFamily("earmark_windows", "Windows embedded.", counts.windows)
        yield CounterMetricFamily(
            "earmark_windows_dropped", "Windows that nobody waited for any longer.", counts.dropped
        )
        yield GaugeMetricFamily("earmark_queued_windows", "Windows that wait or run.", batcher.queued_windows)
        yield GaugeMetricFamily("earmark_backlog_seconds", "Time that they will take.", batcher.backlog_s)
        refused = CounterMetricFamily("earmark_requests_refused", "Requests refused, by the reason.", labels=["reason"])
        for reason, count in self._admission.refused.items():
            refused.add_metric([reason], count)
        yield refused
        shares = GaugeMetricFamily(
            "earmark_node_share", "Share of the audio tower's nodes that a provider runs.", labels=["provider"]
        )
        for provider, share in self._engine.node_shares.items():
            shares.add_metric([provider], share)
        yield shares
