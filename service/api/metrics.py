"""Metrics for Prometheus, with the prefix earmark_ and in base units.

All series exist from the start: a series that first appears with its first event would hide that event from `rate()`.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.registry import Collector

from service.api.exposition import expose
from service.engine.call import STAGES
from service.engine.clip_warnings import CLIP_WARNINGS

UPLOAD_AND_STAGES = ("upload", *STAGES)
OTHER_ROUTE = "other"
_REQUEST_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_STAGE_BUCKETS_S = (0.0005, 0.001, *_REQUEST_BUCKETS_S)
_QUERY_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
_CLIP_BUCKETS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The metrics of one service, in a registry that no other service shares.

    Args:
        trace_id: Returns the id of the current trace, which OpenMetrics gives as an exemplar of a histogram; None
            without a trace.
    """

    def __init__(self, trace_id: Callable[[], str | None] = lambda: None) -> None:
        self._trace_id = trace_id
        self._registry = CollectorRegistry()
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._add_request_metrics()
        self._add_clip_metrics()
        self._add_state_metrics()
        ProcessCollector(namespace="earmark", registry=self._registry)
        self._declare_clip_labels()

    def register(self, collector: Collector) -> None:
        """Adds the metrics of a collector to the exposition."""
        self._registry.register(collector)

    def _add_request_metrics(self) -> None:
        self._requests = Counter(
            "earmark_requests", "Requests that were answered.", ["route", "status"], registry=self._registry
        )
        self._request_seconds = Histogram(
            "earmark_request_seconds",
            "Time from the first byte of a request to the last byte of its answer, in seconds.",
            ["route"],
            buckets=_REQUEST_BUCKETS_S,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "earmark_requests_in_flight", "Requests that are being processed.", registry=self._registry
        )
        self._stage_seconds = Histogram(
            "earmark_stage_seconds",
            "Time that a request to POST /localize spends in a stage, in seconds.",
            ["stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=self._registry,
        )

    def _add_clip_metrics(self) -> None:
        self._clips = Counter(
            "earmark_clips",
            "Clips that were localized, by whether their embeddings were cached.",
            ["cached"],
            registry=self._registry,
        )
        self._clip_seconds = Histogram(
            "earmark_clip_seconds",
            "Duration of the clips that were localized, in seconds.",
            buckets=_CLIP_BUCKETS_S,
            registry=self._registry,
        )
        self._audio_seconds = Counter(
            "earmark_audio_seconds",
            "Total duration of the clips that were localized, in seconds, by whether their embeddings were cached.",
            ["cached"],
            registry=self._registry,
        )
        self._clip_warnings = Counter(
            "earmark_clip_warnings",
            "Clips that were localized with a warning, by the code of the warning.",
            ["code"],
            registry=self._registry,
        )
        self._queries = Histogram(
            "earmark_queries",
            "Number of queries in a request to POST /localize.",
            buckets=_QUERY_BUCKETS,
            registry=self._registry,
        )

    def _add_state_metrics(self) -> None:
        self._ready = Gauge(
            "earmark_ready",
            "1 if the model passed its last check, the process is not shutting down and requests are accepted, otherwise 0.",
            registry=self._registry,
        )
        self._model = Gauge(
            "earmark_model_info",
            "Always 1; the labels name the model, its execution provider and the device that is set (EARMARK_DEVICE).",
            ["name", "version", "provider", "device"],
            registry=self._registry,
        )
        self._build = Gauge(
            "earmark_build_info",
            "Always 1; the labels are the versions of Earmark, Python and ONNX Runtime.",
            ["version", "python", "onnxruntime"],
            registry=self._registry,
        )

    def _declare_clip_labels(self) -> None:
        """Creates the series of all stages, of cached and new clips, and of all warnings about a clip."""
        self._seconds_of_stage = {stage: self._stage_seconds.labels(stage) for stage in UPLOAD_AND_STAGES}
        for cached in ("true", "false"):
            self._clips.labels(cached)
            self._audio_seconds.labels(cached)
        for code in CLIP_WARNINGS:
            self._clip_warnings.labels(code)

    def declare_model(self, name: str, version: str, provider: str, device: str) -> None:
        """Sets the series that names the model, the execution provider that runs it, and the device that is set."""
        self._model.labels(name, version, provider, device).set(1)

    def declare_build(self, versions: Mapping[str, str]) -> None:
        """Sets the series with the versions of the parts, from `service.api.build_info`."""
        self._build.labels(**versions).set(1)

    def declare_routes(self, statuses: Mapping[str, Iterable[int]]) -> None:
        """Creates the series of all routes.

        Args:
            statuses: Status codes that each route can return, by the path of the route.
        """
        for route, codes in statuses.items():
            self._request_seconds.labels(route)
            for code in codes:
                self._requests.labels(route, str(code))

    def begin_request(self) -> None:
        """Counts a request that has arrived."""
        self._in_flight.inc()

    def end_request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request that was answered, with its duration in seconds."""
        self._in_flight.dec()
        answered = self._answered.get((route, status))
        if answered is None:
            answered = self._requests.labels(route, str(status)), self._request_seconds.labels(route)
            self._answered[route, status] = answered
        counter, histogram = answered
        counter.inc()
        histogram.observe(seconds, self._exemplar())

    def count_stages(self, seconds: Mapping[str, float]) -> None:
        """Records the seconds that each stage of a localization took."""
        exemplar = self._exemplar()
        for stage, value in seconds.items():
            self._seconds_of_stage[stage].observe(value, exemplar)

    def count_clip(self, duration_s: float, cached: bool, n_queries: int, warning_codes: Iterable[str] = ()) -> None:
        """Counts a clip that was localized, its duration, its queries, and each code that its warnings have."""
        for code in set(warning_codes):
            self._clip_warnings.labels(code).inc()
        self._clips.labels(str(cached).lower()).inc()
        self._audio_seconds.labels(str(cached).lower()).inc(duration_s)
        self._clip_seconds.observe(duration_s, self._exemplar())
        self._queries.observe(n_queries, self._exemplar())

    def set_ready(self, ready: bool) -> None:
        """Records whether the service can answer."""
        self._ready.set(ready)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics in a format that the header `Accept` names, and their Content-Type."""
        return expose(self._registry, accept)

    def _exemplar(self) -> dict[str, str] | None:
        trace_id = self._trace_id()
        return {"trace_id": trace_id} if trace_id else None
