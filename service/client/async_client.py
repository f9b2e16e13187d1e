"""The client for programs with asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from service.client.clip_source import ClipLike, clip_source
from service.client.connection import DEFAULT_MAX_WAIT_S, DEFAULT_TIMEOUT_S, DEFAULT_URL, Address, http_options
from service.client.conversation import Compute, Conversation, Pause, Step, Steps
from service.client.localization import Localization
from service.client.many import Outcome, map_in_tasks
from service.client.options import AnswerFormat, Options, form_fields
from service.client.progress import show_progress_async

Result = TypeVar("Result")


class AsyncClient:
    """A client of an Earmark service for asyncio. The arguments are those of `Client`.

    Files are hashed and arrays are encoded in threads. While a file is sent, it is read in pieces of 64 KiB.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_wait_s: float = DEFAULT_MAX_WAIT_S,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._address = Address(url, key)
        self._http = http or httpx.AsyncClient(**http_options(timeout_s))
        self._owns_http = http is None
        self._conversation = Conversation(max_wait_s)

    async def localize(self, clip: ClipLike, queries: str | Sequence[str], **options: Unpack[Options]) -> Localization:
        """Finds when each query is heard in a clip; see `Client.localize`."""
        fields = form_fields(queries, options)
        return await self._run(self._conversation.localize(lambda: clip_source(clip, options.get("rate_hz")), fields))

    async def localize_as(
        self, answer_format: AnswerFormat, clip: ClipLike, queries: str | Sequence[str], **options: Unpack[Options]
    ) -> str:
        """Finds when each query is heard in a clip, in a format for other programs; see `Client.localize_as`."""
        fields = form_fields(queries, options) | {"format": answer_format, "curve_format": "json"}
        return await self._run(
            self._conversation.localize_as(lambda: clip_source(clip, options.get("rate_hz")), fields)
        )

    def localize_many(
        self,
        clips: Iterable[ClipLike],
        queries: str | Sequence[str],
        *,
        n_parallel: int = 8,
        progress: bool | None = None,
        **options: Unpack[Options],
    ) -> AsyncGenerator[Outcome]:
        """Finds when each query is heard in many clips, several clips at a time; see `Client.localize_many`."""
        form_fields(queries, options)
        outcomes = map_in_tasks(lambda clip: self.localize(clip, queries, **options), clips, n_parallel)
        return show_progress_async(outcomes, len(clips) if isinstance(clips, Sequence) else None, progress)

    async def info(self) -> dict[str, Any]:
        """Reads GET /info; see `Client.info`."""
        return await self._run(self._conversation.info())

    async def knows(self, clip_id: str) -> bool:
        """Asks whether the service still knows a clip; see `Client.knows`."""
        return await self._run(self._conversation.knows(clip_id))

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, steps: Steps[Result]) -> Result:
        """Takes the steps of a conversation and returns its result."""
        try:
            step = next(steps)
            while True:
                try:
                    outcome = await self._take(step)
                except Exception as error:  # noqa: BLE001 - the conversation decides, and raises what it does not handle
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            return end.value

    async def _take(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Compute):
            return await asyncio.to_thread(step.function)
        with self._address.arguments(step) as arguments:
            return await self._http.request(**arguments)
