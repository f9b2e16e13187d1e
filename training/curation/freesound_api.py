"""A client of Freesound's APIv2 (https://freesound.org/docs/api/): searches, single sounds and previews.

`GET /search/text/` returns pages of sounds, and `GET /sounds/<id>/` a single sound. Both require a token; previews do not.
A token allows 60 requests per minute and 2,000 per day. Previews are not counted.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from training.curation.journal import Journal
from training.curation.retries import RetryPolicy, ServerUnavailableError, require_success

URL = "https://freesound.org/apiv2"
FIELDS = "id,name,tags,description,username,license,url,duration,previews"
PAGE_SIZE = 150
MINUTE_S, DAY_S = 60.0, 86_400.0
MAX_PREVIEW_BYTES = 64 * 1024**2
MAX_PREVIEW_S = 600.0

Model = TypeVar("Model", bound=BaseModel)


class Previews(BaseModel):
    """URLs of a sound's previews, which need no account. Only the Ogg preview is used: MP3 does not keep the exact length."""

    ogg: str = Field(alias="preview-hq-ogg")


class Sound(BaseModel):
    """A sound and its metadata."""

    id: int
    name: str
    tags: list[str]
    description: str
    username: str
    license: str
    url: str
    duration: float
    previews: Previews


class Page(BaseModel):
    """A page of search results. A sound that was deleted in the meantime is null."""

    next: str | None
    results: list[Sound | None]


@dataclass(slots=True)
class RateLimit:
    """Limits the number of requests per minute and per day.

    Attributes:
        log: the time of each request, including those of earlier runs, in seconds since the epoch.
        per_minute: largest number of requests per minute.
        per_day: largest number of requests per day.
        clock: returns the current time, in seconds since the epoch.
        sleep: waits for a number of seconds.
    """

    log: Journal
    per_minute: int = 60
    per_day: int = 2000
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> None:
        """Waits until another request is allowed, and logs it.

        Raises:
            ServerUnavailableError: The limit per day is reached.
        """
        now = self.clock()
        times = [entry["time_s"] for entry in self.log.entries if entry["time_s"] > now - DAY_S]
        if len(times) >= self.per_day:
            left_s = times[-self.per_day] + DAY_S - now
            raise ServerUnavailableError(
                f"{self.per_day} requests were made within a day; the next is allowed in {left_s:.0f} s (--per-day)"
            )
        if len(times) >= self.per_minute:
            self.sleep(max(0.0, times[-self.per_minute] + MINUTE_S - now))
        self.log.add({"time_s": self.clock()})


@dataclass(frozen=True, slots=True)
class Freesound:
    """A client of the API.

    Attributes:
        token: the API token of a user.
        limit: limits the number of requests.
        retry_policy: how failed requests are repeated.
        url: URL of the API.
        client: the HTTP client.
        max_preview_bytes: largest accepted size of a preview.
    """

    token: str = field(repr=False)
    limit: RateLimit
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    url: str = URL
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, follow_redirects=True))
    max_preview_bytes: int = MAX_PREVIEW_BYTES

    def search(self, query: str, filter_: str) -> Iterator[Sound]:
        """Yields the results of a text search, the best first. Each page is fetched when its first sound is needed.

        Raises:
            ServerUnavailableError: The server does not answer, or its response is not a page of sounds.
        """
        parameters = {"query": query, "filter": filter_, "fields": FIELDS, "page_size": PAGE_SIZE}
        for number in itertools.count(1):  # the URL in `next` is not used, so that the token is sent only to `url`
            page = parse_response(self._get("/search/text/", parameters | {"page": number}), Page)
            yield from (sound for sound in page.results if sound)
            if not page.next:
                return

    def sound(self, sound_id: int) -> Sound | None:
        """Fetches a sound; None if no sound has this id.

        Raises:
            ServerUnavailableError: The server does not answer, or its response is not a sound.
        """
        response = self._get(f"/sounds/{sound_id}/", {"fields": FIELDS}, (httpx.codes.NOT_FOUND,))
        return None if response.is_error else parse_response(response, Sound)

    def _get(self, path: str, parameters: dict[str, Any], accepted: tuple[int, ...] = ()) -> httpx.Response:
        def call() -> httpx.Response:
            self.limit.wait()
            headers = {"Authorization": f"Token {self.token}"}
            response = self.client.get(self.url + path, params=parameters, headers=headers)
            return response if response.status_code in accepted else require_success(response)

        return self.retry_policy.run(call)

    def download(self, sound: Sound, target: Path) -> None:
        """Downloads the preview of a sound to a file.

        Raises:
            ValueError: The sound has no preview, or the preview is larger than `max_preview_bytes`.
            ServerUnavailableError: The server does not answer, or the download takes longer than MAX_PREVIEW_S.
        """

        def call() -> int:
            with self.client.stream("GET", sound.previews.ogg) as response, target.open("wb") as file:
                if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
                    return response.status_code
                deadline_s, size = time.monotonic() + MAX_PREVIEW_S, 0
                for part in require_success(response).iter_bytes():
                    size += file.write(part)
                    if size > self.max_preview_bytes:
                        raise ValueError(
                            f"preview has more than {self.max_preview_bytes} bytes, the largest accepted size"
                        )
                    if time.monotonic() > deadline_s:
                        raise httpx.ReadTimeout(
                            f"the download took more than {MAX_PREVIEW_S:.0f} s", request=response.request
                        )
                return response.status_code

        if (status := self.retry_policy.run(call)) >= 400:
            raise ValueError(f"no preview: HTTP {status}")


def parse_response(response: httpx.Response, kind: type[Model]) -> Model:
    """Parses the JSON body of a response.

    Raises:
        ServerUnavailableError: The body is not JSON of this kind.
    """
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise ServerUnavailableError(f"{response.url}: the response is not that of APIv2: {error}") from error
