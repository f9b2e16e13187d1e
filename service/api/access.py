"""Middleware that checks the API key of each request and the limits of the key, before the body is read."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.key_limits import Balance, KeyLimits, Usage
from service.access.key_ring import KeyRing
from service.access.keys import ANONYMOUS, ApiKey
from service.api.key_metrics import KeyMetrics, outcome_of
from service.api.problems import problem_response
from service.api.rate_limit_headers import rate_limit_headers
from service.core.access_errors import AccessError, KeyMissing, KeyUnknown, LimitExceeded, RateExceeded
from service.request_fields import add_request_fields

OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json"})
"""Paths that need no key: the page, probes, metrics, and the description of the API, which are the same for every service."""
OPEN_PREFIXES = ("/docs/", "/problems/", "/web/")
_AUDIO_METHOD = "POST"
"""Method of the requests that send audio; only they need a rest of the quota."""
_USAGE = "earmark.usage"


def needs_key(path: str) -> bool:
    """Whether a path of the service, without a path prefix, needs a key where there are keys."""
    return path not in OPEN_PATHS and not path.startswith(OPEN_PREFIXES)


def audio_counter(scope: Scope) -> Callable[[float], None]:
    """The function that counts the audio decoded for a request, in seconds."""
    usage: Usage | None = scope.get(_USAGE)
    return usage.add if usage is not None else lambda _seconds: None


class AccessGuard:
    """ASGI middleware that refuses requests without a valid key or beyond the limits of their key, and counts the others.

    Args:
        app: The wrapped app.
        keys: The valid keys; None if everybody may use the service, without limits.
        limits: The limits of the keys.
        metrics: Metrics by key.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing | None, limits: KeyLimits, metrics: KeyMetrics) -> None:
        self._app, self._keys, self._limits, self._metrics = app, keys, limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http" or not needs_key(scope["path"].removeprefix(scope.get("root_path", ""))):
            await self._app(scope, receive, send)
            return
        try:
            key = _OPEN_KEY if self._keys is None else _valid_key(scope, self._keys)
        except AccessError as error:
            self._metrics.count_refusal("missing" if isinstance(error, KeyMissing) else "unknown")
            self._metrics.count_request(ANONYMOUS, "client_error")
            await problem_response(error)(scope, receive, send)
            return
        if self._keys is not None:
            add_request_fields(key=key.name)
        await _Request(self._app, self._limits, self._metrics, key).answer(scope, receive, send)


_OPEN_KEY = ApiKey(ANONYMOUS, sha256="")
"""Stands for the missing key where everybody may use the service; it has no limits."""


class _Request:
    """One request with a valid key."""

    def __init__(self, app: ASGIApp, limits: KeyLimits, metrics: KeyMetrics, key: ApiKey) -> None:
        self._app, self._limits, self._metrics, self._key = app, limits, metrics, key
        self._rate: Balance | None = None
        self._usage: Usage | None = None
        self._status, self._is_limited = 0, False

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                await self._charge()
                headers = rate_limit_headers(self._rate, await self._limits.audio_balance(self._key))
                MutableHeaders(scope=message).update(headers)
            await send(message)

        try:
            try:
                self._rate = await self._limits.take_request(self._key)
                if scope["method"] == _AUDIO_METHOD:
                    self._usage = scope[_USAGE] = await self._limits.begin_audio(self._key)
            except LimitExceeded as error:
                self._is_limited = True
                if isinstance(error, RateExceeded):
                    self._rate = Balance(error.limit, 0, error.retry_after_s)
                await problem_response(error)(scope, receive, send_with_limits)
            else:
                await self._app(scope, receive, send_with_limits)
        except ClientDisconnect:
            raise
        except BaseException:
            self._status = self._status or 500
            raise
        finally:
            await self._charge()
            is_limited = self._is_limited or (self._usage is not None and self._usage.is_refused)
            outcome = "limited" if is_limited else outcome_of(self._status)
            decoded_s = 0.0 if self._usage is None else self._usage.decoded_s
            self._metrics.count_request(self._key.name, outcome, decoded_s)

    async def _charge(self) -> None:
        """Takes what was decoded from the quota, once."""
        if self._usage is not None and not self._usage.is_finished:
            await self._limits.charge(self._key, self._usage.finish())


def _valid_key(scope: Scope, keys: KeyRing) -> ApiKey:
    """The key of a request.

    Raises:
        KeyMissing: If the request does not have exactly one key in the accepted form.
        KeyUnknown: If the key is not valid.
    """
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        raise KeyMissing("no Authorization header" if not values else f"{len(values)} Authorization headers")
    scheme, _, key = values[0].partition(b" ")
    key = key.strip(b" \t")
    if scheme.lower() != b"bearer" or not key:
        raise KeyMissing("an Authorization header of another form")
    record = keys.find(key)
    if record is None:
        raise KeyUnknown
    return record
