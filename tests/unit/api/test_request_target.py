import anyio
import pytest
from starlette.types import Receive, Scope, Send

from service.api.request_target import OriginFormTargets


def _rewritten(raw_path: bytes, root_path: str = "") -> Scope:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    scope = {
        "type": "http",
        "raw_path": raw_path,
        "path": root_path + raw_path.decode(),
        "root_path": root_path,
        "headers": [(b"host", b"other"), (b"accept", b"*/*")],
    }
    anyio.run(OriginFormTargets(app), scope, None, None)
    assert scopes[0] is scope  # the route that the app finds is seen outside
    return scope


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://earmark:8000/livez", "/livez", b"earmark:8000"),
        (b"HTTP://earmark/clips/a%20b", "/clips/a b", b"earmark"),
        (b"https://earmark", "/", b"earmark"),
        (b"http://user:word@[::1]:8000/info", "/info", b"[::1]:8000"),
        (b"http://earmark//livez", "//livez", b"earmark"),
    ],
)
def test_an_absolute_target_is_its_path_on_its_authority(target: bytes, path: str, host: bytes) -> None:
    scope = _rewritten(target)
    assert (scope["path"], scope["headers"]) == (path, [(b"host", host), (b"accept", b"*/*")])
    assert _rewritten(target, "/prefix")["path"] == f"/prefix{path}"


@pytest.mark.parametrize("target", [b"/livez", b"/http://earmark/livez", b"*", b"", b"ftp://earmark/livez"])
def test_other_targets_stay_as_they_are(target: bytes) -> None:
    scope = _rewritten(target)
    assert (scope["path"], scope["headers"][0]) == (target.decode(), (b"host", b"other"))
