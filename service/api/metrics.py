"""What is counted for Prometheus: prefix earmark_, base units, and no series that appears only later."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from service.engine.call import STAGES

UPLOAD_AND_STAGES = ("upload", *STAGES)
OTHER_ROUTE = "other"
_REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_QUERY_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
_CLIP_BUCKETS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("earmark_requests", "Requests answered.", ["route", "status"], registry=self._registry)
        self._request_seconds = Histogram(
            "earmark_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ["route"],
            buckets=_REQUEST_BUCKETS_S,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "earmark_requests_in_flight", "Requests that are being answered.", registry=self._registry
        )
        self._stage_seconds = Histogram(
            "earmark_stage_seconds",
            "Time that POST /localize spends in a stage.",
            ["stage"],
            buckets=_REQUEST_BUCKETS_S,
            registry=self._registry,
        )
        self._clips = Counter(
            "earmark_clips",
            "Clips localized, by whether their embeddings were cached.",
            ["cached"],
            registry=self._registry,
        )
        self._clip_seconds = Histogram(
            "earmark_clip_seconds", "Lengths of the clips localized.", buckets=_CLIP_BUCKETS_S, registry=self._registry
        )
        self._queries = Histogram(
            "earmark_queries", "Queries in a request.", buckets=_QUERY_BUCKETS, registry=self._registry
        )
        self._ready = Gauge("earmark_ready", "1 if the model passed its last check.", registry=self._registry)
        self._model = Gauge(
            "earmark_model_info",
            "1; its labels tell what is served.",
            ["name", "version", "provider"],
            registry=self._registry,
        )
        for stage in UPLOAD_AND_STAGES:
            self._stage_seconds.labels(stage)
        for cached in ("true", "false"):
            self._clips.labels(cached)

    def register(self, collector: Collector) -> None:
        """Shows what a collector has too."""
        self._registry.register(collector)

    def declare_model(self, name: str, version: str, provider: str) -> None:
        """Tells what is served."""
        self._model.labels(name, version, provider).set(1)

    def declare_routes(self, statuses: Mapping[str, Iterable[int]]) -> None:
        """Makes the series of every route, by its path, with the status codes that it is known to give."""
        for route, codes in statuses.items():
            self._request_seconds.labels(route)
            for code in codes:
                self._requests.labels(route, str(code))

    def begin_request(self) -> None:
        """Counts a request that has come in."""
        self._in_flight.inc()

    def end_request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        self._in_flight.dec()
        self._requests.labels(route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def count_stages(self, seconds: Mapping[str, float]) -> None:
        """Counts what the stages of a localization took."""
        for stage, value in seconds.items():
            self._stage_seconds.labels(stage).observe(value)

    def count_clip(self, duration_s: float, cached: bool, n_queries: int) -> None:
        """Counts a clip that was localized."""
        self._clips.labels(str(cached).lower()).inc()
        self._clip_seconds.observe(duration_s)
        self._queries.observe(n_queries)

    def set_ready(self, ready: bool) -> None:
        """Tells whether the model passed its last check."""
        self._ready.set(ready)

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
