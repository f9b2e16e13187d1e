"""Chooses the exposition format of the metrics that a scraper accepts: the text format of Prometheus, or OpenMetrics."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder

_OPENMETRICS = "application/openmetrics-text"
_TEXT = ("text/plain", "text/*", "*/*")


def expose(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Writes all metrics in the format that a scraper prefers.

    Args:
        registry: Registry with the metrics.
        accept: The header `Accept` of the scraper; empty if there is none.

    Returns:
        The metrics and their Content-Type. OpenMetrics is written only if the header names it; only it has exemplars.
    """
    quality = _qualities(accept)
    if quality.get(_OPENMETRICS, 0) > max((quality.get(name, 0.0) for name in _TEXT), default=0.0):
        encode, content_type = choose_encoder(_OPENMETRICS)
        return encode(registry), content_type
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _qualities(accept: str) -> dict[str, float]:
    """The highest quality (0 to 1) that a header gives to each media type; a malformed quality counts as 0."""
    qualities: dict[str, float] = {}
    for media_range in accept.lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        written = next((value.removeprefix("q=") for value in parameters if value.startswith("q=")), "1")
        quality = float(written) if written.replace(".", "", 1).isdecimal() and written.isascii() else 0.0
        qualities[name] = max(qualities.get(name, 0.0), quality)
    return qualities
