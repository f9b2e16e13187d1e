"""Localization of many clips, several at a time, in the order of the clips."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from service.client.clip_source import ClipLike
from service.client.errors import EarmarkError
from service.client.localization import Localization

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 4
"""Clips in the queue for each clip that is sent, so that a long clip does not stop the clips behind it."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of one clip of many: exactly one of `localization` and `error` is not None.

    Attributes:
        clip: The clip as the caller gave it.
        localization: The answer.
        error: The error of this clip.
    """

    clip: ClipLike
    localization: Localization | None = None
    error: EarmarkError | OSError | None = None


def in_order(function: Callable[[Item], Result], items: Iterable[Item], n_parallel: int) -> Generator[Result]:
    """Calls a function for each item in threads, and yields the results in the order of the items.

    If the caller stops, calls that have not begun are given up, and the generator waits for the others.

    Args:
        function: The function.
        items: The items, which are read as they are needed.
        n_parallel: Number of calls at the same time.

    Raises:
        ValueError: If `n_parallel` is not positive.
    """
    _check(n_parallel)
    return _in_order(function, items, n_parallel)


def _in_order(function: Callable[[Item], Result], items: Iterable[Item], n_parallel: int) -> Generator[Result]:
    executor = ThreadPoolExecutor(n_parallel, thread_name_prefix="earmark")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= n_parallel * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # the caller may stop early
        executor.shutdown(cancel_futures=True)


def map_in_threads(
    localize: Callable[[ClipLike], Localization], clips: Iterable[ClipLike], n_parallel: int
) -> Generator[Outcome]:
    """Localizes clips in threads, and yields the outcomes in the order of the clips.

    Args:
        localize: Localizes one clip.
        clips: The clips, which are read as they are needed.
        n_parallel: Number of clips that are localized at the same time.

    Raises:
        ValueError: If `n_parallel` is not positive.
    """

    def outcome(clip: ClipLike) -> Outcome:
        try:
            return Outcome(clip, localization=localize(clip))
        except (EarmarkError, OSError) as error:
            return Outcome(clip, error=error)

    return in_order(outcome, clips, n_parallel)


async def map_in_tasks(
    localize: Callable[[ClipLike], Awaitable[Localization]], clips: Iterable[ClipLike], n_parallel: int
) -> AsyncGenerator[Outcome]:
    """Localizes clips in tasks of asyncio; see `map_in_threads`."""
    _check(n_parallel)
    slots = asyncio.Semaphore(n_parallel)

    async def outcome(clip: ClipLike) -> Outcome:
        async with slots:
            try:
                return Outcome(clip, localization=await localize(clip))
            except (EarmarkError, OSError) as error:
                return Outcome(clip, error=error)

    waiting: deque[asyncio.Task[Outcome]] = deque()
    try:
        for clip in clips:
            waiting.append(asyncio.create_task(outcome(clip)))
            if len(waiting) >= n_parallel * _AHEAD:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _check(n_parallel: int) -> None:
    if n_parallel < 1:
        raise ValueError(f"n_parallel is {n_parallel}; accepted: 1 or more")
