import logging
import os
from contextlib import closing

import pytest

from service.engine import decoder_log
from service.engine.decoder_log import MAX_LINE_BYTES, MAX_LINES, DecoderLog
from tests.waiting import PATIENCE_S


def logged(caplog: pytest.LogCaptureFixture, *writes: bytes, to: DecoderLog | None = None) -> list[str]:
    """The lines that are logged of what a decoder writes."""
    caplog.clear()
    reading, writing = os.pipe()
    thread = (to or DecoderLog()).follow(os.fdopen(reading, "rb"), 123)
    with closing(os.fdopen(writing, "wb", buffering=0)) as stream:
        for content in writes:
            stream.write(content)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    return [getattr(record, "line", record.getMessage()) for record in caplog.records]


def test_each_line_is_a_record_however_the_writes_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, b"one\ntw", b"o\n\n\nthr", b"ee") == ["one", "two", "three"]
    assert {(record.levelno, record.getMessage(), record.__dict__["pid"]) for record in caplog.records} == {
        (logging.WARNING, "a decoder wrote to its standard error", 123)
    }


def test_a_long_line_is_cut_and_takes_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, *[b"x" * 60_000] * 20, b"\nnext\n") == ["x" * MAX_LINE_BYTES, "next"]


def test_control_characters_and_bytes_that_are_not_utf_8_are_escaped(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, b"a\x1b[31m\r\0\xff\xe2\x80\xa8 \xc3\xa9\n") == [r"a\x1b[31m\r\x00\xff\u2028 é"]


def test_of_many_lines_the_first_of_each_period_are_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders = DecoderLog()
    lines = logged(caplog, b"line\n" * 10_000, to=decoders)
    assert lines == ["line"] * MAX_LINES + ["decoders write too many lines; the next lines are left out"]
    assert logged(caplog, b"line\n" * 10, to=decoders) == []
    monkeypatch.setattr(decoder_log, "PERIOD_S", 0.0)
    assert logged(caplog, b"line\n", to=decoders) == ["line"]
