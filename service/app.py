"""The ASGI app, built from parts that the caller has opened; all state belongs to the app, none to this module."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from service import temporary_space
from service.access.opening import Access, open_access
from service.api.access import AccessGuard
from service.api.admission import Admission, AdmissionLimits
from service.api.allowed_methods import allow_head_for_documentation
from service.api.build_info import build_versions
from service.api.cache_metrics import CacheMetrics
from service.api.compression import Compression
from service.api.decoder_metrics import DecoderMetrics
from service.api.demand import DemandEstimate
from service.api.engine_metrics import EngineMetrics
from service.api.examples import ExampleFinder
from service.api.forwarded import ForwardedHeaders
from service.api.info import describe
from service.api.key_metrics import KeyMetrics
from service.api.lanes import Lanes
from service.api.library_routes import Admissions, library_routes
from service.api.localize_routes import LocalizeRoutes
from service.api.metrics import Metrics
from service.api.metrics_route import MetricsRoute
from service.api.middleware import REQUEST_ID, RequestMiddleware
from service.api.operator_routes import OperatorRoutes
from service.api.origins import OriginGuard, is_loopback
from service.api.page_routes import add_page
from service.api.problem_examples import document_problems
from service.api.problems import add_problem_handlers, not_http_response, too_slow_response
from service.api.rate_limit_headers import RATE_LIMIT_HEADERS
from service.api.readiness import Readiness
from service.api.request_target import OriginFormTargets
from service.api.root_path import RootPathMiddleware, under_root_path
from service.api.route_statuses import route_statuses
from service.api.security_document import document_keys
from service.connections import ConnectionLimits
from service.engine.decoder_counts import NoDecoders
from service.engine.interface import DecoderPool, LocalizationEngine
from service.library.serving import ServedLibrary
from service.open_files import limit_connections
from service.pace import Pace
from service.settings import Settings, split_origins
from service.shutdown import Shutdown
from service.tracing import NO_TRACING, Tracing, trace_id
from service.trusted_proxies import split_networks

DESCRIPTION = """
Finds when, in a recording, a sound described in plain words is heard. (Temporal localization: when, not where.)

Every failure is `application/problem+json` (RFC 9457). Its `type` names the problem type and never changes. Its
`detail` says what was received, what is accepted and which of the operator's settings decides. Every answer carries an
`X-Request-ID`: the id that the client sent, if the id consists of 1 to 64 letters, digits, dots, dashes and
underscores, and a new id otherwise.

A service with API keys answers only requests with `Authorization: Bearer KEY`; the pages `/` and `/docs`, the probes,
`/metrics` and `/problems` need no key. Answers then carry `RateLimit-Policy` and `RateLimit`: the limits of the key, and
what remains.
"""


_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own telemetry is off, because its spans and logs contain the query string of the URL, which may hold queries,
and the messages of exceptions. Versions of FastAPI without telemetry ignore this."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of the process that an app can do without.

    Attributes:
        decoders: The processes that decode clips, which the caller closes; none if the engine decodes clips itself.
        access: Who may use the service and how much; by default everybody may use it, without limits.
        tracing: Records traces of requests, which the caller closes; off by default.
        library: The library of the service; none by default.
        model_checked: Whether the model has just passed its check, so that the first request need not check it.
    """

    decoders: DecoderPool = field(default_factory=NoDecoders)
    access: Access = field(default_factory=lambda: open_access(None))
    tracing: Tracing = NO_TRACING
    library: ServedLibrary | None = None
    model_checked: bool = False


@dataclass(frozen=True, slots=True)
class Apps:
    """What the service answers.

    Attributes:
        api: The app of the API; it has GET /metrics unless `EARMARK_METRICS_PORT` is set.
        metrics: The app of a port for metrics alone.
    """

    api: FastAPI
    metrics: FastAPI


def create_app(
    engine: LocalizationEngine, settings: Settings, version: str, shutdown: Shutdown, parts: Parts | None = None
) -> FastAPI:
    """Builds the app of the API; see `create_apps`."""
    return create_apps(engine, settings, version, shutdown, parts).api


def create_apps(
    engine: LocalizationEngine, settings: Settings, version: str, shutdown: Shutdown, parts: Parts | None = None
) -> Apps:
    """Builds the apps.

    Args:
        engine: An open engine, which the caller closes.
        settings: The settings, which hold the limits.
        version: Version of the service.
        shutdown: Shutdown state of the process: once it has begun, new requests are refused.
        parts: Further parts of the process.
    """
    parts = parts or Parts()
    access = parts.access
    metrics = _begin_metrics(engine, settings, version, parts)
    key_metrics = KeyMetrics(lambda: access.key_names)
    lanes = Lanes(engine.batcher.parallel_windows)
    admission = Admission(
        _admission_limits(settings), DemandEstimate(engine.batcher, lanes), is_shutting_down=lambda: shutdown.has_begun
    )
    metrics.register(EngineMetrics(engine, admission))
    metrics.register(key_metrics)
    readiness = _readiness(engine, metrics, shutdown, admission, parts)
    app = _app_without_routes(version)
    examples = ExampleFinder(engine, parts.library)
    app.include_router(LocalizeRoutes(engine, settings, admission, metrics, lanes, examples).router())
    for routes in library_routes(engine, parts.library, settings, Admissions(admission, lanes), metrics.register):
        app.include_router(routes)
    info = describe(engine, settings, version, has_library=parts.library is not None)
    app.include_router(OperatorRoutes(info, readiness, _degraded(engine, parts)).router())
    metrics_route = MetricsRoute(metrics, readiness)
    if not settings.metrics_port:
        app.include_router(metrics_route.router())
    add_page(app)
    add_problem_handlers(app, readiness.invalidate)
    document_problems(app)
    document_keys(app, access.keys is not None)
    allow_head_for_documentation(app)
    app.add_middleware(Compression)
    app.add_middleware(AccessGuard, keys=access.keys, limits=access.limits, metrics=key_metrics)
    _add_checks_of_origins(app, settings)
    apps = Apps(app, _metrics_app(metrics_route, readiness, settings))
    for each in (apps.api, apps.metrics):
        each.add_middleware(
            RequestMiddleware,
            metrics=metrics,
            on_server_fault=readiness.invalidate,
            is_shutting_down=lambda: shutdown.has_begun,
            refuse_connection=admission.refuse_connection,
            tracing=parts.tracing,
        )
    _add_views_of_proxies(app, settings)
    for each in (apps.api, apps.metrics):
        each.add_middleware(OriginFormTargets)
    metrics.declare_routes(route_statuses())
    return apps


def _metrics_app(route: MetricsRoute, readiness: Readiness, settings: Settings) -> FastAPI:
    app = FastAPI(openapi_url=None, redirect_slashes=False, telemetry=_NO_TELEMETRY)
    app.include_router(route.router())
    add_problem_handlers(app, readiness.invalidate)
    app.add_middleware(OriginGuard, allowed=(), is_local=is_loopback(settings.metrics_host or settings.host))
    return app


def _add_views_of_proxies(app: FastAPI, settings: Settings) -> None:
    """Adds the middleware that corrects paths, hosts and clients behind proxies; after the others, so it runs before them."""
    if settings.root_path:
        app.add_middleware(RootPathMiddleware, root_path=settings.root_path)
    proxies = split_networks(settings.trusted_proxies)
    app.add_middleware(ForwardedHeaders, trusted=proxies, accepts_prefix=not settings.root_path)


def _begin_metrics(engine: LocalizationEngine, settings: Settings, version: str, parts: Parts) -> Metrics:
    """The metrics of an app, with those of the parts that exist before the app."""
    metrics = Metrics(trace_id)
    metrics.declare_model(engine.manifest.name, engine.manifest.version, engine.provider, settings.device)
    metrics.declare_build(build_versions(version))
    metrics.register(CacheMetrics(engine.cache))
    metrics.register(DecoderMetrics(parts.decoders))
    return metrics


def _readiness(
    engine: LocalizationEngine, metrics: Metrics, shutdown: Shutdown, admission: Admission, parts: Parts
) -> Readiness:
    return Readiness(
        engine.check,
        metrics,
        is_shutting_down=lambda: shutdown.has_begun,
        refusing_for_s=lambda: admission.refusing_for_s,
        is_ready=parts.model_checked,
    )


def _degraded(engine: LocalizationEngine, parts: Parts) -> Callable[[], list[str]]:
    """A function that returns the names of optional parts that do not work."""
    owners = (engine.cache, temporary_space, parts.decoders, parts.access, parts.tracing)
    return lambda: [name for owner in owners for name in owner.degraded()]


def _app_without_routes(version: str) -> FastAPI:
    return FastAPIOffline(  # serves the assets of /docs, so that /docs needs no other host
        title="Earmark",
        description=DESCRIPTION,
        version=version,
        redoc_url=None,
        redirect_slashes=False,
        static_url="/docs/static",
        generate_unique_id_function=_operation_id,
        telemetry=_NO_TELEMETRY,
    )


def _add_checks_of_origins(app: FastAPI, settings: Settings) -> None:
    """Adds the middleware for web pages, the innermost first; around the check of keys, so that pages can read a 401."""
    allowed = split_origins(settings.allowed_origins)
    if allowed:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_private_network=True,
            expose_headers=[REQUEST_ID, "Server-Timing", "Retry-After", "WWW-Authenticate", *RATE_LIMIT_HEADERS],
        )
    app.add_middleware(OriginGuard, allowed=allowed, is_local=is_loopback(settings.host))


def _admission_limits(settings: Settings) -> AdmissionLimits:
    return AdmissionLimits(
        min(settings.max_wait_s, math.ceil(settings.request_timeout_s)),
        settings.max_requests,
        settings.max_bytes_in_flight,
        settings.max_connections,
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """What the connections of clients may do under an operator's settings."""
    with under_root_path(settings.root_path):
        return ConnectionLimits(
            *limit_connections(settings.max_connections),
            settings.keep_alive_s,
            Pace(settings.request_timeout_s, settings.min_bytes_per_s),
            not_http_response(),
            too_slow_response(),
        )


def _operation_id(route: APIRoute) -> str:
    """Names of routes are the operation ids in OpenAPI; a new name would break clients generated from the document."""
    return route.name
