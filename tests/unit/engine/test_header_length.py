import io

import av
import pytest

from service.engine.clip_view import ClipView
from service.engine.containers import locate
from service.engine.header_length import header_length_s
from tests.av_clips import av_encoded, chirps
from tests.clips import encoded

RATE_HZ = 48_000
SOUND = chirps(2.0, RATE_HZ)


def length_s(content: bytes, kind: str) -> float | None:
    start = locate(io.BytesIO(content)).offset
    view = ClipView(io.BytesIO(content), start, len(content))
    with av.open(io.BytesIO(content)) as container:
        return header_length_s(view, kind, container, container.streams.audio[0])


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("FLAC", av_encoded(SOUND, RATE_HZ, "flac", "flac")),
        ("MP4", av_encoded(SOUND, RATE_HZ, "mp4", "aac")),
        ("WebM", av_encoded(SOUND, RATE_HZ, "webm", "libopus")),
        ("MP3", av_encoded(SOUND, RATE_HZ, "mp3", "libmp3lame")),
    ],
)
def test_the_header_gives_the_length_of_the_sound(kind: str, content: bytes) -> None:
    assert length_s(content, kind) == pytest.approx(2.0, abs=0.1)


def test_an_mp3_without_an_info_frame_has_no_header_length() -> None:
    content = av_encoded(SOUND, RATE_HZ, "mp3", "libmp3lame")
    assert length_s(content.replace(b"Xing", b"\0\0\0\0").replace(b"Info", b"\0\0\0\0"), "MP3") is None


def test_the_length_that_ffmpeg_estimates_for_ogg_is_not_used() -> None:
    assert length_s(encoded(SOUND[:, 0], RATE_HZ, "OGG", "VORBIS"), "Ogg") is None
