import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from service.command_line.input import check_no_query_is_a_file, clip_name, open_clip
from service.core.errors import ParameterInvalid
from tests.clips import encoded, wav

SILENCE = np.zeros(1_600, np.float32)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_is_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"RIFF")
    with open_clip(path) as clip:
        assert clip.read() == b"RIFF"
    assert clip.closed


def test_standard_input_becomes_a_seekable_file(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"RIFF0123")
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with open_clip(Path("-")) as clip:
            assert clip.seek(4) == 4
            assert clip.read() == b"0123"
    assert clip_name(Path("-")) == "standard input"


@pytest.mark.parametrize("stdin", [_Terminal(), None])
def test_a_terminal_is_no_recording(monkeypatch: pytest.MonkeyPatch, stdin: object) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(ParameterInvalid, match="terminal or closed; accepted: a recording"), open_clip(Path("-")):
        pass


def test_a_named_pipe_becomes_a_seekable_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"RIFF0123"))
    writer.start()
    with open_clip(pipe) as clip:
        writer.join()
        assert clip.seek(4) == 4
        assert clip.read() == b"0123"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.wav", wav(SILENCE)),
        ("b.flac", encoded(SILENCE, container="FLAC")),
        ("dog", wav(SILENCE)),  # told by its content
        ("b.m4a", b""),  # told by its name
        ("video.MP4", b""),
    ],
)
def test_a_second_recording_is_no_query(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ParameterInvalid, match=rf"query 2 is .*{name}, an audio file; accepted: one recording"):
        check_no_query_is_a_file(["a dog", str(path)])


def test_other_files_and_paths_are_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dog").write_text("notes about a dog")
    Path("rain").mkdir()
    check_no_query_is_a_file(["dog", "rain", "missing.wav", "x" * 5_000, "a\0b", "a/b"])
