"""All routes of the library, built from the parts of the app."""

from collections.abc import Callable

from fastapi import APIRouter
from prometheus_client.registry import Collector

from service.api.clip_routes import ClipRoutes, clip_form_limits
from service.api.library_metrics import LibraryMetrics
from service.api.search_routes import Admissions, SearchRoutes
from service.engine.interface import LocalizationEngine
from service.library.serving import ServedLibrary
from service.pace import Pace
from service.settings import Settings

__all__ = ["Admissions", "library_routes"]


def library_routes(
    engine: LocalizationEngine,
    library: ServedLibrary | None,
    settings: Settings,
    admissions: Admissions,
    register: Callable[[Collector], None],
) -> list[APIRouter]:
    """The routers of the library's routes, which exist without a library, too.

    Args:
        engine: The engine.
        library: The library of the service; None if it has none.
        settings: The settings, which hold the limits.
        admissions: Admission control, and the lanes in which admitted requests wait for their turn.
        register: Adds a metric to the exposition.
    """
    pace, metrics = Pace(settings.request_timeout_s, settings.min_bytes_per_s), LibraryMetrics(register)
    limits = clip_form_limits(settings.max_upload_bytes)
    return [
        SearchRoutes(engine, library, admissions, pace, metrics).router(),
        ClipRoutes(engine, library, admissions, pace, limits, metrics).router(),
    ]
