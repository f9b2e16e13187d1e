from prometheus_client import CollectorRegistry, generate_latest

from service.api.decoder_metrics import DecoderMetrics
from service.engine.decoder_counts import DecoderCounts, DecoderReport, NoDecoders
from service.engine.interface import DecoderPool
from tests.unit.api.expositions import parse_series


class FakeDecoders(NoDecoders):
    def __init__(self) -> None:
        self.counts = DecoderCounts()

    def report(self) -> DecoderReport:
        return self.counts.report(n_idle=2)


def read(decoders: DecoderPool) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(DecoderMetrics(decoders))
    return parse_series(generate_latest(registry).decode())


def test_the_counters_of_the_decoders_are_read_at_each_scrape() -> None:
    decoders = FakeDecoders()
    assert read(decoders)["earmark_decoder_processes_busy"] == 0
    decoders.counts.add_start()
    decoders.counts.add_busy(1)
    decoders.counts.add_failure("crashed")
    assert read(decoders) == {
        "earmark_decoder_processes": 3,
        "earmark_decoder_processes_busy": 1,
        "earmark_decoder_starts_total": 1,
        'earmark_decoder_failures_total{kind="crashed"}': 1,
        'earmark_decoder_failures_total{kind="hung"}': 0,
        'earmark_decoder_failures_total{kind="killed"}': 0,
    }


def test_a_service_without_decoders_has_all_series() -> None:
    assert set(read(NoDecoders()).values()) == {0}
    assert set(read(NoDecoders())) == set(read(FakeDecoders()))
