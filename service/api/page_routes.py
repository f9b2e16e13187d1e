"""The routes of the page for people: GET / and the static files under /web, with their security headers."""

import secrets
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1] / "web"
STATIC_PATH = "/web"
_NONCE = "{{nonce}}"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".flac": "audio/flac",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Content types by suffix, because the tables of some systems lack FLAC or have other types for JavaScript."""
_OTHER_MEDIA_TYPE = "text/plain; charset=utf-8"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self' 'nonce-{nonce}'",  # wavesurfer.js has a style element, to which the page gives the nonce
        "img-src 'self' blob: data:",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}
_REVALIDATE = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"


def add_page(app: FastAPI) -> None:
    """Adds the page and its static files to an app."""
    document = (FOLDER / "index.html").read_text(encoding="utf-8")
    router = APIRouter(include_in_schema=False)

    async def page() -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = _HEADERS | {"Content-Security-Policy": _POLICY.format(nonce=nonce), "Cache-Control": "no-store"}
        return HTMLResponse(document.replace(_NONCE, nonce), headers=headers)

    router.add_api_route("/", page, methods=["GET", "HEAD"])
    app.include_router(router)
    app.mount(STATIC_PATH, PageFiles(directory=FOLDER / "static"))


class PageFiles(StaticFiles):
    """The static files of the page: browsers ask whether a file has changed, except for libraries with their version.

    The files are small, so a request for a range of one gets the whole file.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Returns a file, or 304 if the browser has it already."""
        scope["headers"] = [header for header in scope["headers"] if header[0] not in (b"range", b"if-range")]
        response = await super().get_response(path, scope)
        headers = response.headers
        headers.update(_HEADERS)
        del headers["Accept-Ranges"]
        headers["Content-Security-Policy"] = _POLICY.format(nonce=secrets.token_urlsafe(16))  # workers have their own
        headers["Cache-Control"] = _FOR_EVER if Path(path).parts[:1] == ("vendor",) else _REVALIDATE
        if response.status_code != 304:
            headers["Content-Type"] = _MEDIA_TYPES.get(Path(path).suffix, _OTHER_MEDIA_TYPE)
        return response
