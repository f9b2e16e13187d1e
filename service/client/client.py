"""The client for programs and notebooks."""

import time
from collections.abc import Generator, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from service.client.clip_source import ClipLike, clip_source
from service.client.connection import DEFAULT_MAX_WAIT_S, DEFAULT_TIMEOUT_S, DEFAULT_URL, Address, http_options
from service.client.conversation import Compute, Conversation, Pause, Step, Steps
from service.client.localization import Localization
from service.client.many import Outcome, map_in_threads
from service.client.options import AnswerFormat, Options, form_fields
from service.client.progress import show_progress

Result = TypeVar("Result")


class Client:
    """A client of an Earmark service. One client may be used from many threads at once.

    Args:
        url: Address of the service, with the path prefix if it has one.
        key: API key; None for a service without keys.
        timeout_s: Longest time without a byte from the service, in seconds.
        max_wait_s: Longest time from the first attempt of a request to the last, in seconds. A busy service says when
            the client may come back (Retry-After), and the client tries again then.
        http: An httpx client to use, for example with certificates; its time limits count, and the caller closes it.

    Raises:
        ValueError: If the URL or the key has no valid form.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_wait_s: float = DEFAULT_MAX_WAIT_S,
        http: httpx.Client | None = None,
    ) -> None:
        self._address = Address(url, key)
        self._http = http or httpx.Client(**http_options(timeout_s))
        self._owns_http = http is None
        self._conversation = Conversation(max_wait_s)

    def localize(self, clip: ClipLike, queries: str | Sequence[str], **options: Unpack[Options]) -> Localization:
        """Finds when each query is heard in a clip.

        The client sends the id of the clip first, and the audio only if the service does not know the clip.

        Args:
            clip: A path, the bytes of an audio file, a binary file object, or an array of samples.
            queries: Descriptions of sounds in plain words.
            options: `rate_hz` of an array, post-processing and curves; see `Options`.

        Raises:
            EarmarkError: If the service refuses, fails or cannot be reached. Each problem type has a class.
            OSError: If the file cannot be read.
            TypeError, ValueError: If an argument cannot be sent.
        """
        fields = form_fields(queries, options)
        return self._run(self._conversation.localize(lambda: clip_source(clip, options.get("rate_hz")), fields))

    def localize_as(
        self, answer_format: AnswerFormat, clip: ClipLike, queries: str | Sequence[str], **options: Unpack[Options]
    ) -> str:
        """Finds when each query is heard in a clip, and returns the answer in a format for other programs.

        Args:
            answer_format: "csv", "dcase", "audacity", "raven", "webvtt", "srt", "jams", "json" or "ndjson". Tables and JAMS
                name the clip by its id.
            clip: See `localize`.
            queries: See `localize`.
            options: See `localize`.

        Raises:
            EarmarkError, OSError, TypeError, ValueError: See `localize`.
        """
        fields = form_fields(queries, options) | {"format": answer_format, "curve_format": "json"}
        return self._run(self._conversation.localize_as(lambda: clip_source(clip, options.get("rate_hz")), fields))

    def localize_many(
        self,
        clips: Iterable[ClipLike],
        queries: str | Sequence[str],
        *,
        n_parallel: int = 8,
        progress: bool | None = None,
        **options: Unpack[Options],
    ) -> Generator[Outcome]:
        """Finds when each query is heard in many clips, several clips at a time.

        Args:
            clips: The clips, which are read while the work goes on.
            queries: Descriptions of sounds in plain words.
            n_parallel: Number of clips that are sent at the same time.
            progress: Whether a progress bar is written to standard error; by default only on a terminal or in a notebook.
            options: See `localize`.

        Yields:
            The outcome for each clip, in the order of the clips: a localization, or the error of this clip.

        Raises:
            TypeError, ValueError: If an argument cannot be sent.
        """
        form_fields(queries, options)
        outcomes = map_in_threads(lambda clip: self.localize(clip, queries, **options), clips, n_parallel)
        return show_progress(outcomes, len(clips) if isinstance(clips, Sequence) else None, progress)

    def info(self) -> dict[str, Any]:
        """Reads GET /info: the model, the defaults and the limits of the service.

        Raises:
            EarmarkError: If the service refuses, fails or cannot be reached.
        """
        return self._run(self._conversation.info())

    def knows(self, clip_id: str) -> bool:
        """Asks whether the service still knows a clip, by the `clip.id` of an earlier answer.

        Raises:
            EarmarkError: If the service refuses, fails or cannot be reached.
        """
        return self._run(self._conversation.knows(clip_id))

    def close(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[Result]) -> Result:
        """Takes the steps of a conversation and returns its result."""
        try:
            step = next(steps)
            while True:
                try:
                    outcome = self._take(step)
                except Exception as error:  # noqa: BLE001 - the conversation decides, and raises what it does not handle
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            return end.value

    def _take(self, step: Step) -> Any:
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Compute):
            return step.function()
        with self._address.arguments(step) as arguments:
            return self._http.request(**arguments)
