import io
import struct

import numpy as np
import pytest
import soundfile

from service.engine.expected_length import expected_length_s


def _clip(container: str, subtype: str | None = None, seconds: float = 7.5, rate_hz: int = 16_000) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate_hz))
    soundfile.write(file, noise, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("RF64", "PCM_24"), ("AIFF", "PCM_16"), ("FLAC", "PCM_16")],
)
@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
def test_the_length_is_that_of_the_header(container: str, subtype: str, rate_hz: int) -> None:
    file = io.BytesIO(b"")
    file.write(_clip(container, subtype, rate_hz=rate_hz))
    assert expected_length_s(file, 3600) == pytest.approx(7.5, abs=0.02)
    assert file.tell() == 0


@pytest.mark.parametrize(("container", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_without_a_length_in_the_header_the_size_decides(container: str, subtype: str) -> None:
    short, long = (
        expected_length_s(io.BytesIO(_clip(container, subtype, seconds, 48_000)), 3600) for seconds in (10, 40)
    )
    assert 2 < short < 50
    assert long == pytest.approx(4 * short, rel=0.2)


def test_a_length_that_a_header_claims_counts_up_to_the_longest_accepted_clip() -> None:
    flac = bytearray(_clip("FLAC"))
    flac[21] |= 0x0F
    assert expected_length_s(io.BytesIO(flac), 3600) == 3600
    wav = bytearray(_clip("WAV", "PCM_16"))
    struct.pack_into("<I", wav, wav.index(b"data") + 4, 0xFFFFFFFE)
    assert expected_length_s(io.BytesIO(wav), 3600) == pytest.approx(7.5, abs=0.02)


@pytest.mark.parametrize("content", [b"", b"fLaC", b"fLaC" + bytes(100), b"no sound", b"RIFF\0\0\0\0WAVE", bytes(1000)])
def test_any_bytes_give_some_length(content: bytes) -> None:
    assert 0 <= expected_length_s(io.BytesIO(content), 3600) <= 1
