import io
from collections.abc import Callable

import pytest

from service.client.progress import Progress, duration, show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def make_progress(total: int | None, stream: io.StringIO) -> tuple[Progress, Callable[[float], None]]:
    clock = Clock()
    progress = Progress(total, stream, clock)

    def advance(seconds: float) -> None:
        clock.now_s += seconds
        progress.advance()

    return progress, advance


def test_the_bar_has_the_pace_and_the_time_left() -> None:
    progress, advance = make_progress(24, Terminal())
    assert progress.text() == f"[{'':24}] 0/24 files, 0.0 files/s, ? left"
    for _ in range(12):
        advance(0.5)
    assert progress.text() == f"[{'#' * 12}{'':12}] 12/24 files, 2.0 files/s, 6 s left"
    for _ in range(12):
        advance(0.5)
    assert progress.text() == f"[{'#' * 24}] 24/24 files, 2.0 files/s, 12 s in all"


def test_slow_items_and_an_unknown_total_are_shown_too() -> None:
    progress, advance = make_progress(None, Terminal())
    advance(4)
    assert progress.text() == "1 files, 4.0 s/file"


def test_a_terminal_has_one_line_that_is_drawn_again() -> None:
    stream = Terminal()
    progress, advance = make_progress(1000, stream)
    for _ in range(1000):
        advance(0.01)
    progress.finish()
    assert 90 <= stream.getvalue().count("\r") <= 102
    assert stream.getvalue().count("\n") == 1


def test_a_log_file_has_a_line_every_ten_seconds() -> None:
    stream = io.StringIO()
    progress, advance = make_progress(100, stream)
    for _ in range(100):
        advance(0.5)
    progress.finish()
    assert stream.getvalue().count("\n") == 6
    assert "\r" not in stream.getvalue()


def test_a_stream_that_nobody_reads_stops_nothing() -> None:
    stream = Terminal()
    progress, advance = make_progress(2, stream)
    stream.close()
    advance(1)
    progress.finish()


@pytest.mark.parametrize(("seconds", "text"), [(3.6, "4 s"), (125, "2 min 05 s"), (4020, "1 h 07 min")])
def test_times_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(show_progress((n for n in range(3)), 3, None)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    assert list(show_progress((n for n in range(3)), 3, True)) == [0, 1, 2]
    assert "3/3 files" in capsys.readouterr().err
