import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.errors import AudioError, AudioTooLong
from service.engine.call import Call, CallAbandoned
from service.engine.containers import identify, locate, source_of
from service.engine.decoding import DecodedBlocks, decode
from service.engine.plain_wav import plain_wav, plain_wav_or

JUNK = struct.pack("<4sI", b"JUNK", 28) + bytes(28)
INFO = struct.pack("<4sI", b"LIST", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0"  # of FFmpeg
RATES_HZ = (4_000, 8_000, 16_000, 22_050, 44_100, 48_000, 384_000)


def wav(samples: np.ndarray, rate_hz: int = 16_000, chunks: bytes = b"") -> bytes:
    """A WAV clip of 16-bit samples (N, C), with further chunks in front of its data."""
    channels, data = samples.shape[1], samples.astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, 2 * channels * rate_hz, 2 * channels, 16)
    body = b"WAVE" + form + chunks + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def noise(n_samples: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(n_samples).integers(-(2**15), 2**15, (n_samples, channels))


def refuse(clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> DecodedBlocks:
    raise AssertionError("a plain clip goes to a decoder process")
    yield


def result(blocks: DecodedBlocks) -> tuple[bytes, object]:
    """The samples of a clip as bytes, and its warnings, or the error."""
    samples: list[np.ndarray] = []
    try:
        while True:
            samples.append(next(blocks))
    except StopIteration as end:
        return np.concatenate(samples).tobytes(), end.value
    except AudioError as error:
        return b"", repr(error)


clips = st.builds(
    lambda n, channels, rate_hz, skipped: wav(noise(n, channels), rate_hz, b"".join(skipped)),
    st.integers(1, 2000),
    st.integers(1, 8),
    st.sampled_from(RATES_HZ),
    st.lists(st.sampled_from([JUNK, INFO]), max_size=2, unique=True),
)


@given(clips)
@settings(max_examples=60)
def test_a_plain_clip_has_the_samples_that_soundfile_reads_and_the_result_of_the_decoders(clip: bytes) -> None:
    layout = plain_wav(BytesIO(clip))
    assert layout is not None
    assert source_of(layout) == locate(BytesIO(clip))
    expected, rate_hz = soundfile.read(BytesIO(clip), dtype="int16", always_2d=True)
    assert layout.offset is not None
    read = np.frombuffer(clip, "<i2", offset=layout.offset).reshape(-1, layout.channels)
    np.testing.assert_array_equal(read, expected)
    assert layout.rate_hz == rate_hz
    here = plain_wav_or(refuse)(BytesIO(clip), 16_000, 60, Call())
    assert result(here) == result(decode(BytesIO(clip), identify(BytesIO(clip)), 16_000, 60))


@given(
    clips, st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 200)
)
@settings(max_examples=300)
def test_a_damaged_clip_gives_the_same_samples_as_soundfile_or_goes_to_a_decoder(
    clip: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(clip)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    content = bytes(damaged[: len(damaged) - cut] if cut % 3 == 0 else damaged)
    layout = plain_wav(BytesIO(content))
    if layout is not None:
        assert source_of(layout) == locate(BytesIO(content))
        try:
            expected, rate_hz = soundfile.read(BytesIO(content), dtype="int16", always_2d=True)
        except soundfile.LibsndfileError:
            assert layout.offset != 44  # libsndfile does not skip every damaged chunk in front of the data
            return
        read = np.frombuffer(content, "<i2", offset=layout.offset or 0).reshape(-1, layout.channels)
        np.testing.assert_array_equal(read, expected)
        assert layout.rate_hz == rate_hz


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=200)
def test_no_bytes_raise_an_error(content: bytes, has_head: bool) -> None:
    plain_wav(BytesIO((b"RIFF" + struct.pack("<I", len(content) + 4) + b"WAVE") * has_head + content))


@pytest.mark.parametrize(
    "change",
    [
        lambda clip: clip + b"more",
        lambda clip: clip[:-2],
        lambda clip: b"",
        lambda clip: clip[:30],
        lambda clip: b"RIFX" + clip[4:],
        lambda clip: b"ID3" + clip,
        lambda clip: clip[:20] + b"\3" + clip[21:],  # float
        lambda clip: clip[:34] + b"\x18" + clip[35:],  # 24 bits
        lambda clip: clip[:22] + b"\0" + clip[23:],  # no channel
        lambda clip: clip[:24] + b"\0\0\0\0" + clip[28:],  # no rate
        lambda clip: clip[:40] + b"\xff\xff\xff\xff" + clip[44:],  # unknown length, as in a pipe
    ],
)
def test_every_other_clip_goes_to_a_decoder(change) -> None:
    content, decoded = change(wav(noise(100))), list[bytes]()

    def elsewhere(clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> DecodedBlocks:
        decoded.append(clip.read())
        yield np.ones(1, np.float32)
        return ()

    assert plain_wav(BytesIO(content)) is None
    (block,) = plain_wav_or(elsewhere)(BytesIO(content), 16_000, 60, Call())
    assert (decoded, block) == ([content], 1)


def test_a_large_clip_goes_to_a_decoder() -> None:
    assert plain_wav(BytesIO(wav(np.zeros(((4 << 20) // 2 - 30, 1))))) is not None
    assert plain_wav(BytesIO(wav(np.zeros(((4 << 20) // 2, 1))))) is None


def test_a_clip_that_is_too_long_is_refused_as_by_a_decoder() -> None:
    clip = wav(noise(8_001), rate_hz=4_000)
    with pytest.raises(AudioTooLong):
        list(plain_wav_or(refuse)(BytesIO(clip), 16_000, 2, Call()))


def test_decoding_ends_when_the_call_is_abandoned() -> None:
    call = Call()
    blocks: Iterator[np.ndarray] = plain_wav_or(refuse)(BytesIO(wav(noise(40_000))), 16_000, 60, call)
    next(blocks)
    call.abandon()
    with pytest.raises(CallAbandoned):
        list(blocks)
