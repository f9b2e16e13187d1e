"""A progress bar on standard error: how many clips are done, clips per second, and the time left."""

import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import TextIO, TypeVar

Item = TypeVar("Item")

_BAR_CHARS = 24
_TERMINAL_PERIOD_S = 0.1
_FILE_PERIOD_S = 10.0


class Progress:
    """A progress bar, drawn again at most ten times a second. A stream that is no terminal gets a line every 10 s.

    Args:
        total: Number of items; None if it is not known.
        stream: The stream, standard error by default.
        clock_s: Clock, in seconds.
        unit: What the items are called.
    """

    def __init__(
        self,
        total: int | None,
        stream: TextIO | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        unit: str = "files",
    ) -> None:
        self._total, self._stream, self._clock_s, self._unit = total, stream or sys.stderr, clock_s, unit
        self._is_live = self._stream.isatty() or _in_notebook()
        self._start_s = self._drawn_s = clock_s()
        self._n_done = self._width = 0

    def advance(self) -> None:
        """Counts an item."""
        self._n_done += 1
        period_s = _TERMINAL_PERIOD_S if self._is_live else _FILE_PERIOD_S
        if self._clock_s() - self._drawn_s >= period_s:
            self._draw()

    def finish(self) -> None:
        """Draws the bar for the last time."""
        self._draw()
        if self._is_live:
            self._write("\n")

    def text(self) -> str:
        """The bar as text, such as "[####    ] 12/24 files, 3.4 files/s, 4 s left"."""
        elapsed_s = max(self._clock_s() - self._start_s, 1e-9)
        rate = self._n_done / elapsed_s
        pace = (
            f"{rate:.1f} {self._unit}/s"
            if rate >= 1 or not rate
            else f"{1 / rate:.1f} s/{self._unit.removesuffix('s')}"
        )
        if self._total is None:
            return f"{self._n_done} {self._unit}, {pace}"
        filled = _BAR_CHARS * self._n_done // max(self._total, 1)
        left = duration((self._total - self._n_done) / rate) if rate else "?"
        bar = "#" * filled + " " * (_BAR_CHARS - filled)
        ending = f"{duration(elapsed_s)} in all" if self._n_done == self._total else f"{left} left"
        return f"[{bar}] {self._n_done}/{self._total} {self._unit}, {pace}, {ending}"

    def _draw(self) -> None:
        self._drawn_s, text = self._clock_s(), self.text()
        self._write(f"\r{text.ljust(self._width)}" if self._is_live else f"{text}\n")
        self._width = len(text)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads the stream any more
            self._is_live = False


def show_progress(items: Generator[Item], total: int | None, shown: bool | None) -> Generator[Item]:
    """Yields items and shows how many there have been.

    Args:
        items: The items; closed when the caller stops.
        total: Number of items; None if it is not known.
        shown: Whether a bar is drawn; None to draw it on a terminal or in a notebook only.
    """
    progress = _progress(total, shown)
    try:
        with closing(items):
            for item in items:
                if progress:
                    progress.advance()
                yield item
    finally:
        if progress:
            progress.finish()


async def show_progress_async(
    items: AsyncGenerator[Item], total: int | None, shown: bool | None
) -> AsyncGenerator[Item]:
    """Yields items of an asynchronous iterator; see `show_progress`."""
    progress = _progress(total, shown)
    try:
        async with aclosing(items):
            async for item in items:
                if progress:
                    progress.advance()
                yield item
    finally:
        if progress:
            progress.finish()


def duration(seconds: float) -> str:
    """A time for people: "4 s", "2 min 05 s", "1 h 07 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _progress(total: int | None, shown: bool | None) -> Progress | None:
    if shown is None:
        shown = sys.stderr is not None and (sys.stderr.isatty() or _in_notebook())
    return Progress(total) if shown else None


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
