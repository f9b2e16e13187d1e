"""The conversation with the service, without input and output: which requests follow each other, and when to try again.

Each function is a generator that yields steps. `service.client.client` and `service.client.async_client` take the steps
and send back what came of them.
"""

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from service.client.answers import failure_of, read_localization, read_object, read_text
from service.client.clip_source import ClipSource
from service.client.errors import EarmarkError, ServiceUnreachable, UnexpectedAnswer
from service.client.localization import Localization
from service.client.problems import ClipNotFound, MethodNotAllowed, NotFound

Result = TypeVar("Result")

_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_PROXY_FAILED = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_SHORTEST_PAUSE_S = 0.1
_FIRST_PAUSE_S = 0.25
_MAX_QUICK_RETRIES = 4
"""Retries after a broken connection: after 0.25, 0.5, 1 and 2 s."""
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Send:
    """A step: send a request, and return the response.

    Attributes:
        method: The HTTP method.
        path: The path of the route.
        fields: Text fields of the body.
        audio: The audio file of the body.
        clip_id: Id of the clip, for proxies that send all requests about a clip to the same replica.
    """

    method: str
    path: str
    fields: Mapping[str, str | list[str]] | None = None
    audio: ClipSource | None = None
    clip_id: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A step: wait.

    Attributes:
        seconds: The time to wait.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Compute:
    """A step: call a function that reads files or computes, and return its result.

    Attributes:
        function: The function.
    """

    function: Callable[[], Any]


Step = Send | Pause | Compute
Steps = Generator[Step, Any, Result]


class Conversation:
    """What a client knows about its service; safe to use from several threads.

    Args:
        max_wait_s: Longest time from the first attempt of a request to the last, in seconds.
    """

    def __init__(self, max_wait_s: float) -> None:
        self._max_wait_s = max_wait_s
        self._model_id: str | None = None

    def localize(
        self, read_clip: Callable[[], ClipSource], fields: Mapping[str, str | list[str]]
    ) -> Steps[Localization]:
        """Localizes a clip: by its id if the service knows the clip, otherwise by its audio.

        Args:
            read_clip: Returns the clip; may read files.
            fields: The text fields of the request.

        Raises:
            EarmarkError: If the service refuses, fails or cannot be reached.
        """
        clip_id, response = yield from self._answer(read_clip, fields)
        localization = read_localization(response)
        if clip_id not in (None, localization.clip.id):  # the service has another model now
            self._model_id = None
        return localization

    def localize_as(self, read_clip: Callable[[], ClipSource], fields: Mapping[str, str | list[str]]) -> Steps[str]:
        """Localizes a clip, and returns the answer as text, in the format that the fields name; see `localize`."""
        _, response = yield from self._answer(read_clip, fields)
        return read_text(response)

    def _answer(
        self, read_clip: Callable[[], ClipSource], fields: Mapping[str, str | list[str]]
    ) -> Steps[tuple[str | None, httpx.Response]]:
        """The id that an uploaded clip should have, None if it was not uploaded, and the answer of POST /localize."""
        clip: ClipSource = yield Compute(read_clip)
        clip_id = yield from self._clip_id(clip)
        if clip_id is not None:
            try:
                known = Send("POST", "/localize", {**fields, "clip_id": clip_id}, clip_id=clip_id)
                return None, (yield from self._request(known))
            except ClipNotFound:
                pass
        return clip_id, (yield from self._request(Send("POST", "/localize", fields, clip, clip_id)))

    def info(self) -> Steps[dict[str, Any]]:
        """Reads the model, the defaults and the limits of the service."""
        return read_object((yield from self._request(Send("GET", "/info"))))

    def knows(self, clip_id: str) -> Steps[bool]:
        """Asks whether a clip is cached."""
        try:
            yield from self._request(Send("HEAD", f"/clips/{quote(clip_id, safe='')}", clip_id=clip_id))
        except UnexpectedAnswer as error:  # the answer to HEAD has no body, so it is no problem
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        except (ClipNotFound, NotFound, MethodNotAllowed):
            return False
        return True

    def _clip_id(self, clip: ClipSource) -> Steps[str | None]:
        """The id that the service gives a clip; None if the service does not say how ids are made."""
        if self._model_id is None:
            info = yield from self.info()
            try:
                model_id = str(info["model"]["id"])
            except (KeyError, TypeError):
                model_id = ""
            self._model_id = model_id if model_id.isascii() else ""
        model_id = self._model_id
        return (yield Compute(lambda: clip.id(model_id))) if model_id else None

    def _request(self, send: Send) -> Steps[httpx.Response]:
        """Sends a request until it is answered. Waits between attempts for as long as the service asks to."""
        start_s, n_quick = time.monotonic(), 0
        while True:
            try:
                response: httpx.Response = yield send
            except httpx.RequestError as error:
                failure, is_quick, pause_s = _unreachable(error), _is_lost(error), None
            else:
                if (failure := failure_of(response)) is None:
                    return response
                is_quick = _is_of_proxy(failure, response.status_code)
                pause_s = failure.retry_after_s if response.status_code in _BUSY else None
            if pause_s is None and is_quick and n_quick < _MAX_QUICK_RETRIES:
                pause_s = _FIRST_PAUSE_S * 2**n_quick
                n_quick += 1
            if pause_s is None or time.monotonic() - start_s + pause_s > self._max_wait_s:
                raise failure
            yield Pause(max(pause_s, _SHORTEST_PAUSE_S) * (1 + _JITTER * random.random()))


def _unreachable(error: httpx.RequestError) -> ServiceUnreachable:
    unreachable = ServiceUnreachable(f"{error.request.url.copy_with(query=None)}: {str(error) or type(error).__name__}")
    unreachable.__cause__ = error
    return unreachable


def _is_lost(error: httpx.RequestError) -> bool:
    """Whether there was no connection, or it broke, so that another attempt may succeed at once."""
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError | httpx.ConnectTimeout)


def _is_of_proxy(failure: EarmarkError, status: int) -> bool:
    """Whether a proxy did not reach the service."""
    return isinstance(failure, UnexpectedAnswer) and status in _PROXY_FAILED
