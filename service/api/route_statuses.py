"""The statuses that each route can answer with, so that all their series exist before the first request."""

from service.api.metrics import OTHER_ROUTE
from service.api.middleware import CLIENT_GONE
from service.api.problem_examples import LOCALIZE_PROBLEMS
from service.api.problems import problem_of

_OF_EVERY_ROUTE = {405, CLIENT_GONE, 500}
_OF_ROUTES = {
    "/localize": {200, *(problem_of(type(error)).status for error in LOCALIZE_PROBLEMS)},
    "/clips/{clip_id}": {204, 404},
    "/search": {200, 400, 401, 403, 404, 408, 413, 422, 429, 503, 504},
    "/library": {200, 401, 404, 429},
    "/library/clips": {201, *(problem_of(type(error)).status for error in LOCALIZE_PROBLEMS)},
    "/library/clips/{recording_id}": {200, 204, 401, 404, 422, 429},
    "/library/clips/{recording_id}/audio": {200, 206, 401, 404, 416, 422, 429},
    "/livez": {200},
    "/readyz": {200, 503},
    "/info": {200},
    "/metrics": {200},
    "/problems/{name}": {200, 404},
    "/": {200},
    "/docs": {200},
    "/docs/oauth2-redirect": {200},
    # requests that no route has handled: static files, and requests that were refused before
    OTHER_ROUTE: {200, 304, 400, 401, 403, 404, 416, 429, 503},
}


def route_statuses() -> dict[str, set[int]]:
    """Status codes that each route can return, by the path of the route."""
    return {route: _OF_EVERY_ROUTE | statuses for route, statuses in _OF_ROUTES.items()}
