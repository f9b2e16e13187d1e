import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import UnsupportedAudio
from service.engine.containers import identify, is_compressed_from_start, locate
from tests.clips import encoded, tones

TONE = tones([("low", 0, 1)], 1)


def _id3(n_bytes: int) -> bytes:
    size = bytes([n_bytes >> 21 & 127, n_bytes >> 14 & 127, n_bytes >> 7 & 127, n_bytes & 127])
    return b"ID3\x04\0\0" + size + bytes(n_bytes)


def _wav(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def _fmt(tag: int) -> bytes:
    return struct.pack("<HHIIHH", tag, 1, 8_000, 16_000, 2, 16)


@pytest.mark.parametrize(
    ("container", "subtype", "name"),
    [
        ("WAV", "PCM_U8", "WAV PCM"),
        ("WAV", "DOUBLE", "WAV float"),
        ("WAVEX", "PCM_24", "WAV PCM"),
        ("RF64", "PCM_16", "RF64 PCM"),
        ("FLAC", "PCM_16", "FLAC"),
        ("OGG", "VORBIS", "Ogg Vorbis"),
        ("OGG", "OPUS", "Ogg Opus"),
        ("MP3", "MPEG_LAYER_III", "MP3"),
        ("AIFF", "PCM_S8", "AIFF PCM"),
        ("AIFF", "FLOAT", "AIFF float"),
        ("WAV", "ULAW", "WAV mu-law"),
        ("WAV", "ALAW", "WAV A-law"),
        ("AU", "PCM_16", "AU PCM"),
        ("AU", "ULAW", "AU mu-law"),
        ("CAF", "PCM_24", "CAF PCM"),
        ("W64", "PCM_16", "W64 PCM"),
    ],
)
def test_accepted_containers_are_named(container: str, subtype: str, name: str) -> None:
    assert identify(io.BytesIO(encoded(TONE, container=container, subtype=subtype))) == name


def test_chunks_before_the_format_and_tags_before_mp3_are_skipped() -> None:
    assert identify(io.BytesIO(_wav((b"JUNK", bytes(27)), (b"fmt ", _fmt(1)), (b"data", bytes(4))))) == "WAV PCM"
    mp3 = encoded(TONE, container="MP3", subtype="MPEG_LAYER_III")
    assert identify(io.BytesIO(_id3(300) + _id3(5) + mp3)) == "MP3"


@pytest.mark.parametrize(
    ("clip", "came"),
    [
        (encoded(TONE, container="WAV", subtype="IMA_ADPCM"), "WAV with IMA ADPCM"),
        (encoded(TONE, container="WAV", subtype="MS_ADPCM"), "WAV with MS ADPCM"),
        (encoded(TONE, container="AIFF", subtype="IMA_ADPCM"), "AIFF-C with codec 'ima4'"),
        (encoded(TONE, container="AIFF", subtype="IMA_ADPCM").replace(b"AIFC", b"AIFF"), "AIFF with codec 'ima4'"),
        (encoded(TONE, container="W64", subtype="IMA_ADPCM"), "W64 with IMA ADPCM"),
        (b".snd" + struct.pack(">5I", 24, 100, 23, 8_000, 1), "AU with encoding 23"),
        (_wav((b"fmt ", _fmt(0x1234))), "WAV with codec 0x1234"),
        (_wav((b"fmt ", struct.pack("<H", 0xFFFE) + bytes(38))), "WAV with codec 0xfffe"),
        (_wav((b"data", bytes(4)), (b"fmt ", _fmt(1))), "WAV without a fmt chunk"),
        (b"FORM\0\0\0\4AIFF", "AIFF without a COMM chunk"),
        (_id3(20) + encoded(TONE, subtype="IMA_ADPCM"), "WAV with IMA ADPCM"),
        (b"OggS" + bytes(22) + b"\x01\x08Speex   ", "Ogg with Speex"),
        (b"OggS", "Ogg with an unknown codec"),
        (b"PK\x03\x04" + encoded(TONE, container="FLAC"), "a ZIP archive"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\xff\xfd\x90\x00", "in no known audio container"),  # MPEG layer II
        (b'{"a": 1}', "text"),
        (b"x", "in no known audio container (first bytes 78)"),
    ],
)
def test_other_formats_are_refused_and_the_error_names_the_format_and_the_accepted_ones(clip: bytes, came: str) -> None:
    file = io.BytesIO(clip)
    with pytest.raises(UnsupportedAudio) as caught:
        identify(file)
    assert came in str(caught.value)
    assert "FLAC" in caught.value.accepted
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypM4A ", "MP4"),
        (b"\0\0\0\x08wide", "MP4"),
        (b"\x1a\x45\xdf\xa3\x9f", "WebM"),
        (b"#!AMR\n\x3c", "AMR"),
        (b"#!AMR-WB\n\x04", "AMR"),
        (b"\xff\xf1\x50\x80\x20\x00\xfc", "AAC"),
        (b"OggS\0\2" + bytes(20) + b"\x01\x33\x7fFLAC" + bytes(40), "Ogg FLAC"),
    ],
)
def test_compressed_containers_are_told_by_their_first_bytes(head: bytes, name: str) -> None:
    assert identify(io.BytesIO(head)) == name


def test_a_clip_is_found_behind_junk_of_bounded_length() -> None:
    flac = encoded(TONE, container="FLAC")
    junk = np.random.default_rng(0).integers(0, 256, 200_000, np.uint8).tobytes()
    source = locate(io.BytesIO(junk + flac))
    assert (source.container, source.offset) == ("FLAC", len(junk))
    with pytest.raises(UnsupportedAudio):
        identify(io.BytesIO(2 * junk + flac))


def test_a_tag_longer_than_the_file_is_not_believed() -> None:
    mp3 = encoded(TONE, container="MP3", subtype="MPEG_LAYER_III")
    source = locate(io.BytesIO(b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3))
    assert (source.container, source.offset) == ("MP3", 10)


prefixes = st.sampled_from(
    [b"", b"RIFF\0\0\0\0WAVE", b"FORM\0\0\0\0AIFF", b"FORM\0\0\0\0AIFC", b"OggS", b"ID3", b"\xff"]
)


@given(prefixes, st.binary(max_size=200))
def test_garbage_is_either_identified_or_refused(prefix: bytes, garbage: bytes) -> None:
    file = io.BytesIO(prefix + garbage)
    with contextlib.suppress(UnsupportedAudio):
        assert identify(file)
    assert file.tell() == 0


def test_a_chunk_that_claims_a_huge_size_ends_the_search() -> None:
    clip = b"RIFF\xff\xff\xff\xffWAVE" + b"JUNK\xff\xff\xff\xff" + np.zeros(50, np.uint8).tobytes()
    with pytest.raises(UnsupportedAudio, match="without a fmt chunk"):
        identify(io.BytesIO(clip))


@pytest.mark.parametrize("front", [b"", _id3(300), _id3(3) + _id3(70_000)])
@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_a_compressed_clip_is_seen_at_its_start_and_behind_tags(front: bytes, container: str, subtype: str) -> None:
    clip = io.BytesIO(front + encoded(TONE, container=container, subtype=subtype))
    assert is_compressed_from_start(clip)
    assert clip.tell() == 0


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\0" * 600, _wav((b"fmt ", _fmt(1)), (b"data", bytes(4)))])
def test_plain_sound_and_anything_that_has_to_be_searched_is_not_compressed_from_its_start(content: bytes) -> None:
    flac = encoded(TONE, container="FLAC", subtype="PCM_16")
    assert not is_compressed_from_start(io.BytesIO(content))
    assert not is_compressed_from_start(io.BytesIO(b"junk" + flac))
