import io
import sys

import pytest

from service.command_line.output import can_show, write_for_people, write_for_programs


def _stdout(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding=encoding))
    return stream


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "é 犬 ─".encode()),
        ("latin-1", b"\xe9 \\u72ac \\u2500"),
        ("ascii", b"\\xe9 \\u72ac \\u2500"),
        ("cp437", b"\x82 \\u72ac \xc4"),
    ],
)
def test_people_get_what_their_terminal_can_show(
    monkeypatch: pytest.MonkeyPatch, encoding: str, expected: bytes
) -> None:
    stream = _stdout(monkeypatch, encoding)
    write_for_people("é 犬 ─")
    assert stream.getvalue() == expected
    assert can_show("─") is (encoding in ("utf-8", "cp437"))


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "utf-16"])
def test_programs_get_utf8(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    stream = _stdout(monkeypatch, encoding)
    write_for_programs("é 犬\n")
    assert stream.getvalue() == "é 犬\n".encode()


def test_an_output_for_text_only_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    write_for_programs("é")
    assert stream.getvalue() == "é"
