"""Metrics of the decoder processes, read from their counters at each scrape."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.engine.interface import DecoderPool


class DecoderMetrics(Collector):
    """Prometheus collector that reads the report of a pool of decoders."""

    def __init__(self, decoders: DecoderPool) -> None:
        self._decoders = decoders

    def collect(self) -> Iterator[Metric]:
        """Yields the current values."""
        report = self._decoders.report()
        yield GaugeMetricFamily("earmark_decoder_processes", "Decoder processes that are running.", report.n_processes)
        yield GaugeMetricFamily(
            "earmark_decoder_processes_busy", "Decoder processes that are decoding a clip.", report.n_busy
        )
        yield CounterMetricFamily(
            "earmark_decoder_starts", "Decoder processes that were started, replacements included.", report.n_starts
        )
        failures = CounterMetricFamily(
            "earmark_decoder_failures",
            "Decoder processes that failed while they decoded a clip, by kind: they crashed, hung, or were killed.",
            labels=["kind"],
        )
        for kind, count in report.failures.items():
            failures.add_metric([kind], count)
        yield failures
