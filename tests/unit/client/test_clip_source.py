import hashlib
import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from service.client.clip_source import clip_source
from service.engine.clip_id import clip_id_of, model_id_of
from tests.manifests import make_manifest

CONTENT = b"RIFF of a clip"


def content_of(clip, rate_hz: int | None = None) -> bytes:
    source = clip_source(clip, rate_hz)
    with source.open() as first, source.open() as second:  # the clip can be read several times, even at once
        content = first.read()
        assert second.read() == content
    return content


def test_paths_bytes_and_files_are_the_same_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(CONTENT)
    clips = [path, str(path), CONTENT, bytearray(CONTENT), memoryview(CONTENT), io.BytesIO(CONTENT)]
    assert {content_of(clip) for clip in clips} == {CONTENT}
    with path.open("rb") as file:
        assert content_of(file) == CONTENT


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(CONTENT))
    writer.start()
    assert content_of(pipe) == CONTENT
    writer.join()


def test_a_file_object_is_read_from_its_position() -> None:
    file = io.BytesIO(b"head" + CONTENT)
    file.seek(4)
    assert content_of(file) == CONTENT


class OtherArray:
    """An array of another library, such as a tensor."""

    def __array__(self, dtype=None, copy=None):
        return np.zeros(8, np.float32)


def test_arrays_become_wav_files() -> None:
    assert content_of(np.zeros(8, np.float32), 16_000) == content_of(OtherArray(), 16_000)
    assert content_of(OtherArray(), 16_000)[:4] == b"RIFF"


def test_the_id_is_the_one_that_the_service_computes() -> None:
    manifest = make_manifest()
    expected = clip_id_of(io.BytesIO(CONTENT), manifest, 1 << 20)
    assert clip_source(CONTENT).id(model_id_of(manifest)) == expected
    assert clip_source(CONTENT).digest() == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("clip", "rate_hz", "message"),
    [
        (np.zeros(8), None, "needs rate_hz"),
        (CONTENT, 16_000, "rate_hz belongs to an array of samples, not to bytes"),
        ([0.0, 0.1], None, "the clip is of type list; accepted: a path"),
        (None, None, "the clip is of type NoneType"),
        (io.StringIO("text"), None, "text mode"),
    ],
)
def test_other_values_are_refused(clip, rate_hz, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        clip_source(clip, rate_hz)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        clip_source(tmp_path / "missing.wav").digest()
