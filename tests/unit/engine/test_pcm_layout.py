import io
import struct
from pathlib import Path

import numpy as np
import pytest

from service.engine.pcm_layout import NotAcceptedError, read_aiff, read_au, read_caf, read_w64, read_wav
from tests.av_clips import av_encoded, chirps
from tests.clips import encoded, tones

TONE = tones([("low", 0, 1)], 1)
FMT = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)


def wav_of(*chunks: tuple[bytes, int, bytes], riff_bytes: int = 0) -> bytes:
    """A WAV of chunks: name, length in the header, content."""
    return (
        b"RIFF"
        + struct.pack("<I", riff_bytes)
        + b"WAVE"
        + b"".join(name + struct.pack("<I", length) + content for name, length, content in chunks)
    )


def aiff_of(form: bytes, codec: bytes, bits: int = 16) -> bytes:
    rate = struct.pack(">HQ", 16383 + 13, 16_000 << 50)
    common = struct.pack(">HIH", 1, 4, bits) + rate + codec
    sound = struct.pack(">II", 0, 0) + bytes(8)
    return (
        b"FORM\0\0\0\0"
        + form
        + b"COMM"
        + struct.pack(">I", len(common))
        + common
        + b"SSND"
        + struct.pack(">I", len(sound))
        + sound
    )


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 0xFFFFFFF0, 0x7FFFFFFF, 0x80000000])
def test_a_length_that_a_pipe_leaves_open_is_unknown(claimed: int) -> None:
    layout = read_wav(io.BytesIO(wav_of((b"fmt ", 16, FMT), (b"data", claimed, bytes(range(1, 101))))), 0)
    assert (layout.n_bytes, layout.offset, layout.n_rest_bytes) == (None, 44, 0)


def test_an_empty_data_chunk_before_other_chunks_stays_empty() -> None:
    layout = read_wav(io.BytesIO(wav_of((b"fmt ", 16, FMT), (b"data", 0, b""), (b"LIST", 4, b"abcd"))), 0)
    assert (layout.n_bytes, layout.n_rest_bytes) == (0, 0)


@pytest.mark.parametrize("riff_bytes", [0, 1, 0xFFFFFFFF])
def test_the_length_of_the_file_in_a_riff_header_is_ignored(riff_bytes: int) -> None:
    clip = wav_of((b"fmt ", 16, FMT), (b"data", 8, bytes(8)), riff_bytes=riff_bytes)
    assert read_wav(io.BytesIO(clip), 0).n_bytes == 8


@pytest.mark.parametrize(
    ("behind", "n_rest"),
    [
        (b"", 0),
        (b"LIST\4\0\0\0abcd", 0),
        (bytes(500), 0),
        (b"TAG" + bytes(125), 0),
        (b"id3 \x0a\0\0\0ID3\4\0\0\0\0\0\0", 0),
        (wav_of((b"fmt ", 16, FMT), (b"data", 8, bytes(8))), 52),
        (b"\x01\x02\x03\xff" * 10, 40),
    ],
)
def test_bytes_behind_the_samples_are_a_rest_unless_they_are_chunks_tags_or_padding(behind: bytes, n_rest: int) -> None:
    clip = wav_of((b"fmt ", 16, FMT), (b"data", 8, bytes(8))) + behind
    layout = read_wav(io.BytesIO(clip), 0)
    assert (layout.n_bytes, layout.n_rest_bytes) == (8, n_rest)


def test_a_chunk_of_odd_length_without_padding_is_survived() -> None:
    for padding in (b"", b"\0"):
        clip = wav_of((b"bext", 3, b"abc" + padding), (b"fmt ", 16, FMT), (b"data", 8, bytes(8)))
        assert read_wav(io.BytesIO(clip), 0).n_bytes == 8


def test_rf64_takes_its_length_from_ds64_and_lives_without_it() -> None:
    clip = encoded(TONE, container="RF64")
    assert read_wav(io.BytesIO(clip), 0).n_bytes == 32_000
    clip = clip.replace(b"ds64", b"junk")
    assert read_wav(io.BytesIO(clip), 0).n_bytes is None


@pytest.mark.parametrize(
    ("fmt", "came"),
    [
        (struct.pack("<HHIIHH", 0x11, 1, 8_000, 4_000, 256, 4), "WAV with IMA ADPCM"),
        (struct.pack("<HHIIHH", 2, 1, 8_000, 4_000, 256, 4), "WAV with MS ADPCM"),
        (struct.pack("<HHIIHH", 0x55, 1, 8_000, 4_000, 1, 0), "WAV with MP3"),
        (struct.pack("<HHIIHH", 1, 1, 8_000, 4_000, 8, 64), "WAV with PCM of 64 bits"),
        (struct.pack("<HHIIHH", 3, 1, 8_000, 4_000, 2, 16), "WAV with float of 16 bits"),
        (struct.pack("<HHIIHH", 3, 0, 8_000, 4_000, 0, 0), "WAV with float of 0 bits"),
        (b"", "WAV without a fmt chunk"),
    ],
)
def test_codecs_that_are_not_plain_pcm_are_refused(fmt: bytes, came: str) -> None:
    with pytest.raises(NotAcceptedError, match=came):
        read_wav(io.BytesIO(wav_of((b"fmt ", len(fmt), fmt), (b"data", 8, bytes(8)))), 0)


@pytest.mark.parametrize("form", [b"AIFF", b"AIFC"])
@pytest.mark.parametrize("codec", [b"ima4", b"MAC3", b"alac", b"\xff\xff\xff\xff"])
def test_a_codec_that_comm_names_is_believed_whatever_the_form_type_is(form: bytes, codec: bytes) -> None:
    with pytest.raises(NotAcceptedError, match=f"with codec {codec.decode('latin-1')!r}"):
        read_aiff(io.BytesIO(aiff_of(form, codec)), 0)


@pytest.mark.parametrize(
    ("form", "codec", "expected"),
    [
        (b"AIFF", b"", ("PCM", 2, ">")),
        (b"AIFF", b"\0\0\0\0", ("PCM", 2, ">")),
        (b"AIFC", b"NONE", ("PCM", 2, ">")),
        (b"AIFC", b"sowt", ("PCM", 2, "<")),
        (b"AIFF", b"sowt", ("PCM", 2, "<")),
        (b"AIFC", b"fl32", ("float", 4, ">")),
        (b"AIFC", b"fl64", ("float", 8, ">")),
        (b"AIFC", b"in24", ("PCM", 3, ">")),
        (b"AIFC", b"ulaw", ("mu-law", 1, ">")),
    ],
)
def test_the_codecs_of_aiff(form: bytes, codec: bytes, expected: tuple) -> None:
    layout = read_aiff(io.BytesIO(aiff_of(form, codec)), 0)
    assert (layout.codec, layout.width_bytes, layout.byte_order) == expected
    assert (layout.rate_hz, layout.channels, layout.n_bytes) == (16_000, 1, 8)


def test_w64_au_and_caf_headers() -> None:
    sound = chirps(0.5, 44_100, 2)
    w64 = read_w64(io.BytesIO(av_encoded(sound, 44_100, "w64", "pcm_s16le")), 0)
    assert (w64.name, w64.rate_hz, w64.channels, w64.n_bytes, w64.n_rest_bytes) == ("W64 PCM", 44_100, 2, 88_200, 0)
    au = read_au(io.BytesIO(av_encoded(sound, 44_100, "au", "pcm_alaw")), 0)
    assert (au.name, au.rate_hz, au.channels, au.width_bytes) == ("AU A-law", 44_100, 2, 1)
    caf = read_caf(io.BytesIO(av_encoded(sound, 44_100, "caf", "pcm_f32le")), 0)
    assert caf is not None
    assert (caf.name, caf.rate_hz, caf.byte_order, caf.n_bytes) == ("CAF float", 44_100, "<", 176_400)
    assert read_caf(io.BytesIO(av_encoded(sound, 44_100, "caf", "alac")), 0) is None


@pytest.mark.parametrize("encoding", [0, 9, 23, 24, 26])
def test_other_encodings_of_au_are_refused(encoding: int) -> None:
    with pytest.raises(NotAcceptedError, match=f"AU with encoding {encoding}"):
        read_au(io.BytesIO(b".snd" + struct.pack(">5I", 24, 100, encoding, 8_000, 1) + bytes(100)), 0)


def test_absurd_numbers_in_headers_are_survived() -> None:
    rate = struct.pack(">d", np.nan)
    caf = b"caff\0\1\0\0desc" + struct.pack(">q", 32) + rate + b"lpcm" + struct.pack(">5I", 0, 2, 1, 1, 16)
    layout = read_caf(io.BytesIO(caf), 0)
    assert layout is not None
    assert (layout.rate_hz, layout.offset) == (0, None)
    clip = bytearray(aiff_of(b"AIFF", b""))
    clip[28:38] = b"\xff" * 10
    assert read_aiff(io.BytesIO(bytes(clip)), 0).rate_hz == 0


@pytest.mark.parametrize("n_bytes", [-2, -(1 << 62)])
def test_a_caf_or_w64_whose_header_has_a_negative_length_is_refused(tmp_path: Path, n_bytes: int) -> None:
    file = tmp_path / "clip"  # a real file does not take a negative number of bytes to read
    file.write_bytes(b"caff\0\1\0\0desc" + struct.pack(">q", n_bytes) + bytes(40))
    with file.open("rb") as clip, pytest.raises(NotAcceptedError, match="desc"):
        read_caf(clip, 0)
    file.write_bytes(bytes(40) + b"fmt " + bytes(12) + struct.pack("<q", 24 + n_bytes) + bytes(40))
    with file.open("rb") as clip, pytest.raises(NotAcceptedError, match="fmt"):
        read_w64(clip, 0)


def test_a_caf_that_claims_exabytes_keeps_its_claim(tmp_path: Path) -> None:
    file = tmp_path / "clip"  # a seek to this place fails on a real file
    description = struct.pack(">d4s5I", 16_000, b"lpcm", 2, 2, 1, 1, 16)
    file.write_bytes(
        b"caff\0\1\0\0desc" + struct.pack(">q", 32) + description + b"data" + struct.pack(">q", 1 << 61) + bytes(40)
    )
    with file.open("rb") as clip:
        layout = read_caf(clip, 0)
    assert layout is not None
    assert (layout.n_bytes, layout.n_rest_bytes) == ((1 << 61) - 4, 0)
