"""Reads the text format of Prometheus."""

from service.api.metrics import Metrics


def parse_series(text: str) -> dict[str, float]:
    """Values by series, such as `earmark_ready` or `earmark_clips_total{cached="true"}`."""
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs if not name.split("{")[0].endswith("_created")}


def read_series(metrics: Metrics) -> dict[str, float]:
    return parse_series(metrics.exposition()[0].decode())
