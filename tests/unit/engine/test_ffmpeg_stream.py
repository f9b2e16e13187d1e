import io

import pytest
from av.error import EOFError as AvEOFError

from service.core.errors import AudioUndecodable, UnsupportedAudio
from service.engine.clip_view import ClipView
from service.engine.containers import Container, Source
from service.engine.ffmpeg_stream import open_container, reason_of, sound_stream
from tests.av_clips import av_encoded, chirps


def view_of(content: bytes) -> ClipView:
    return ClipView(io.BytesIO(content), 0, len(content))


def test_the_stream_of_a_clip_is_decoded_in_one_thread() -> None:
    content = av_encoded(chirps(0.5, 16_000), 16_000, "mp3", "libmp3lame", 64_000, None, {})
    source = Source(Container("MP3"), 0)
    with open_container(view_of(content), source) as container:
        stream = sound_stream(container, source)
        assert (stream.codec_context.codec.name, stream.codec_context.thread_count) == ("mp3float", 1)


def test_a_codec_that_is_not_on_the_list_of_its_container_is_refused() -> None:
    content = av_encoded(chirps(0.5, 16_000), 16_000, "mp4", "aac", 64_000, None, {})
    source = Source(Container("MP4"), 0)
    with open_container(view_of(content), source) as container:
        assert sound_stream(container, source).codec_context.codec.name == "aac"
        with pytest.raises(UnsupportedAudio, match="FLAC with aac"):
            sound_stream(container, Source(Container("FLAC"), 0))


@pytest.mark.parametrize("kind", ["MP4", "WebM"])
def test_a_damaged_header_is_reported_with_the_container(kind: str) -> None:
    with pytest.raises(AudioUndecodable, match=kind):
        open_container(view_of(bytes(100)), Source(Container(kind), 0))


def test_a_reason_has_no_full_stop_at_its_end() -> None:
    assert reason_of(AvEOFError(1, "End of file.")) == "End of file"
    assert reason_of(MemoryError()) == "MemoryError"
