"""Freesound's APIv2: searches, single sounds and previews, within its limits.

https://freesound.org/docs/api/: `GET /search/text/` gives pages of sounds, `GET /sounds/<id>/` one; both need a token,
previews do not. 60 requests a minute and 2,000 a day are allowed, previews not counted.
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
from training.curation.retries import Patience, ServerUnavailableError, checked

URL = "https://freesound.org/apiv2"
FIELDS = "id,name,tags,description,username,license,url,duration,previews"
PAGE_SIZE = 150
MINUTE_S, DAY_S = 60.0, 86_400.0
MAX_PREVIEW_BYTES = 64 * 1024**2
MAX_PREVIEW_S = 600.0

Model = TypeVar("Model", bound=BaseModel)


class Previews(BaseModel):
    """Where a sound can be had without signing in; Ogg keeps the length exact, which MP3 does not."""

    ogg: str = Field(alias="preview-hq-ogg")


class Sound(BaseModel):
    """What is known of a sound."""

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
    """A page of sounds; one that was deleted since is null."""

    next: str | None
    results: list[Sound | None]


@dataclass(slots=True)
class RateLimit:
    """Lets so many requests pass a minute and a day; `made` keeps count over runs, with the time of each in seconds."""

    made: Journal
    per_minute: int = 60
    per_day: int = 2000
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> None:
        """Waits until another request is allowed, and counts it.

        Raises:
            ServerUnavailableError: those of the day are made.
        """
        now = self.clock()
        times = [entry["time_s"] for entry in self.made.entries if entry["time_s"] > now - DAY_S]
        if len(times) >= self.per_day:
            left_s = times[-self.per_day] + DAY_S - now
            raise ServerUnavailableError(
                f"{self.per_day} requests made in a day; the next is allowed in {left_s:.0f} s"
            )
        if len(times) >= self.per_minute:
            self.sleep(max(0.0, times[-self.per_minute] + MINUTE_S - now))
        self.made.add({"time_s": self.clock()})


@dataclass(frozen=True, slots=True)
class Freesound:
    """The API as one user sees it."""

    token: str = field(repr=False)
    limit: RateLimit
    patience: Patience = field(default_factory=Patience)
    url: str = URL
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, follow_redirects=True))

    def search(self, query: str, filter_: str) -> Iterator[Sound]:
        """The sounds that a text search finds, the best first; a page is fetched when it is reached.

        Raises:
            ServerUnavailableError: the server cannot be asked, or answers something else.
        """
        parameters = {"query": query, "filter": filter_, "fields": FIELDS, "page_size": PAGE_SIZE}
        for number in itertools.count(1):  # not `next` itself: the token goes nowhere but to `url`
            page = read(self._get("/search/text/", parameters | {"page": number}), Page)
            yield from (sound for sound in page.results if sound)
            if not page.next:
                return

    def sound(self, sound_id: int) -> Sound | None:
        """One sound, or None if there is none of this id.

        Raises:
            ServerUnavailableError: the server cannot be asked, or answers something else.
        """
        response = self._get(f"/sounds/{sound_id}/", {"fields": FIELDS}, (httpx.codes.NOT_FOUND,))
        return None if response.is_error else read(response, Sound)

    def _get(self, path: str, parameters: dict[str, Any], accepted: tuple[int, ...] = ()) -> httpx.Response:
        def call() -> httpx.Response:
            self.limit.wait()
            headers = {"Authorization": f"Token {self.token}"}
            response = self.client.get(self.url + path, params=parameters, headers=headers)
            return response if response.status_code in accepted else checked(response)

        return self.patience.ask(call)

    def download(self, sound: Sound, target: Path) -> None:
        """Writes the preview of a sound.

        Raises:
            ValueError: there is none, or it is larger than is accepted.
            ServerUnavailableError: the server cannot be asked.
        """

        def call() -> int:
            with self.client.stream("GET", sound.previews.ogg) as response, target.open("wb") as file:
                if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
                    return response.status_code
                until, size = time.monotonic() + MAX_PREVIEW_S, 0
                for part in checked(response).iter_bytes():
                    size += file.write(part)
                    if size > MAX_PREVIEW_BYTES:
                        raise ValueError(f"preview has more than {MAX_PREVIEW_BYTES} bytes")
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout(f"more than {MAX_PREVIEW_S:.0f} s", request=response.request)
                return response.status_code

        if (status := self.patience.ask(call)) >= 400:
            raise ValueError(f"no preview: HTTP {status}")


def read(response: httpx.Response, kind: type[Model]) -> Model:
    """What an answer holds.

    Raises:
        ServerUnavailableError: something else.
    """
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise ServerUnavailableError(f"{response.url} answers something else than APIv2 does: {error}") from error
