"""The methods of a path: the Allow header over all routes of the path, and HEAD for every GET route."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import Match, Mount

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")


def allowed_methods(request: Request) -> str:
    """Value of the Allow header of a request's path; empty if a mounted app decides.

    A router names only the methods of the first route that has the path.
    """
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    scope = dict(request.scope)
    for name in ("route", "endpoint", "path_params"):
        scope.pop(name, None)
    return ", ".join(
        method
        for method in _METHODS
        if any(route.matches(scope | {"method": method})[0] is Match.FULL for route in routes)
    )


def add_head_routes(router: APIRouter) -> None:
    """Adds an undocumented HEAD route for each GET route: health checkers and caches send HEAD."""
    for route in list(router.routes):
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            router.add_api_route(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                response_model=route.response_model,
                response_model_exclude_none=route.response_model_exclude_none,
                response_class=route.response_class,
                include_in_schema=False,
            )


def allow_head_for_documentation(app: FastAPI) -> None:
    """Adds HEAD to the pages of the documentation, which FastAPI adds as GET routes."""
    for route in app.routes:
        if isinstance(route, APIRoute) and not route.include_in_schema and route.methods:
            route.methods.add("HEAD")
