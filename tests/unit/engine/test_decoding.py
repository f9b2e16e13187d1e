import contextlib
import io
import resource
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.errors import (
    AudioEmpty,
    AudioError,
    AudioNotFinite,
    AudioTooLong,
    AudioUndecodable,
    UnsupportedAudio,
)
from service.engine.containers import identify
from service.engine.decoding import decode
from tests.clips import encoded, tones, wav

FORMATS = [
    ("WAV", "PCM_U8", 0.01),
    ("WAV", "PCM_16", 1e-3),
    ("WAV", "FLOAT", 1e-3),
    ("WAVEX", "PCM_24", 1e-3),
    ("RF64", "PCM_32", 1e-3),
    ("FLAC", "PCM_16", 1e-3),
    ("AIFF", "PCM_16", 1e-3),
    ("OGG", "VORBIS", 0.03),
    ("OGG", "OPUS", 0.03),
    ("MP3", "MPEG_LAYER_III", 0.03),
]
RATES_HZ = {"OPUS": [8_000, 48_000], "MPEG_LAYER_III": [8_000, 22_050, 44_100]}


def _decoded(clip: bytes, max_clip_s: float = 60, rate_hz: int = 16_000) -> np.ndarray:
    file = io.BytesIO(clip)
    return np.concatenate(list(decode(file, identify(file), rate_hz, max_clip_s)))


def _cases() -> list:
    return [
        (container, subtype, rate_hz, channels, tolerance)
        for container, subtype, tolerance in FORMATS
        for rate_hz in RATES_HZ.get(subtype, [8_000, 16_000, 44_100])
        for channels in ((1, 2) if container == "MP3" else (1, 2, 5))
    ]


@pytest.mark.parametrize(("container", "subtype", "rate_hz", "channels", "tolerance"), _cases())
def test_all_formats_rates_and_channels_give_the_same_samples(container, subtype, rate_hz, channels, tolerance) -> None:
    events = [("low", 0.3, 1.2), ("middle", 1.0, 1.7)]
    clip = encoded(tones(events, 2.0, rate_hz), rate_hz, container, subtype, channels)
    samples = _decoded(clip)
    expected = tones(events, 2.0)
    # FFmpeg does not trim a Vorbis clip of a single page, which no longer clip is
    assert len(samples) == pytest.approx(len(expected), abs=600 if subtype == "VORBIS" else 0)
    n_samples = min(len(samples), len(expected))
    assert np.sqrt(np.mean((samples[:n_samples] - expected[:n_samples]) ** 2)) < tolerance


@given(st.integers(4_000, 384_000), st.integers(1, 30_000), st.sampled_from([8_000, 16_000, 32_000]))
@settings(max_examples=30)
def test_a_clip_keeps_its_length_at_any_rate(from_hz: int, n_samples: int, to_hz: int) -> None:
    samples = _decoded(wav(np.zeros(n_samples, np.float32), from_hz), rate_hz=to_hz)
    assert len(samples) == max(1, round(n_samples * to_hz / from_hz))


def test_resampling_removes_frequencies_above_the_lower_rates_nyquist_frequency() -> None:
    time_s = np.arange(44_100) / 44_100
    above_nyquist = np.sin(2 * np.pi * 11_000 * time_s).astype(np.float32)
    assert np.abs(_decoded(wav(above_nyquist, 44_100))[1_000:-1_000]).max() < 1e-3


@pytest.mark.parametrize(("container", "subtype", "tolerance"), FORMATS)
def test_a_truncated_clip_gives_the_samples_that_are_left(container: str, subtype: str, tolerance: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 240_000).astype(np.float32)
    rate_hz = 48_000 if subtype == "OPUS" else 16_000
    clip = encoded(noise, rate_hz, container, subtype)
    whole = _decoded(clip, rate_hz=rate_hz)
    part = _decoded(clip[: len(clip) // 2], rate_hz=rate_hz)
    assert 0.2 * len(whole) < len(part) < 0.6 * len(whole)
    np.testing.assert_allclose(part[: len(part) - 5_000], whole[: len(part) - 5_000], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_not_finite_or_too_large_are_refused_with_their_time(bad: float) -> None:
    waveform = tones([], 2.0)
    waveform[20_000] = bad
    with pytest.raises(AudioNotFinite) as caught:
        _decoded(wav(waveform))
    assert caught.value.at_s == 20_000 / 16_000


def test_a_clip_of_no_samples_is_refused() -> None:
    clip = encoded(np.zeros(0, np.float32))
    with pytest.raises(AudioEmpty, match=f"clip of {len(clip)} bytes has 0 samples"):
        _decoded(clip)


def test_a_clip_of_the_longest_accepted_length_is_accepted_and_one_sample_more_is_not() -> None:
    assert len(_decoded(wav(tones([], 2.0)), max_clip_s=2.0)) == 32_000
    with pytest.raises(AudioTooLong, match=r"more than 2 s; at most 2 s is accepted \(EARMARK_MAX_CLIP_S\)"):
        _decoded(wav(np.zeros(32_001, np.float32)), max_clip_s=2.0)


def _wav_header(rate_hz: int, channels: int, data: bytes, claimed_bytes: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * channels * 2 % 2**32, channels * 2, 16)
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", claimed_bytes) + data


@pytest.mark.parametrize("rate_hz", [3_999, 384_001, 2_000_000_000])
def test_sample_rates_out_of_range_are_refused(rate_hz: int) -> None:
    with pytest.raises(UnsupportedAudio, match=f"sampled at {rate_hz} Hz; accepted: .*4000 to 384000 Hz"):
        _decoded(_wav_header(rate_hz, 1, bytes(100), 100))


def test_too_many_channels_are_refused() -> None:
    with pytest.raises(UnsupportedAudio, match=r"of 9 channels; accepted: .*1 to 8 channels"):
        _decoded(_wav_header(16_000, 9, bytes(180), 180))


def test_a_header_that_claims_gigabytes_is_not_trusted() -> None:
    assert len(_decoded(_wav_header(16_000, 1, bytes(3_200), 0xFFFFFFF0))) == 1_600


def _flac_claiming(clip: bytes, n_samples: int) -> bytes:
    """A FLAC clip whose header gives another number of samples, in the 36 bits that end at byte 26."""
    claimed = (clip[21] & 0xF0) << 32 | n_samples
    return clip[:21] + claimed.to_bytes(5, "big") + clip[26:]


@pytest.mark.parametrize("claimed", [0, 2**36 - 1])
def test_a_flac_that_claims_any_length_gives_its_samples_in_bounded_memory(claimed: int) -> None:
    clip = _flac_claiming(encoded(tones([("low", 0, 1)], 2.0), container="FLAC"), claimed)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(_decoded(clip)) in range(28_000, 32_001)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000


@pytest.mark.parametrize("claimed_s", [2.5, 36_000, 20 * 86_400])
def test_a_clip_that_claims_to_be_too_long_is_refused_before_it_is_decoded(claimed_s: float) -> None:
    clip = _flac_claiming(encoded(tones([("low", 0, 1)], 1.0), container="FLAC"), round(claimed_s * 16_000))
    with pytest.raises(AudioTooLong):
        next(decode(io.BytesIO(clip), identify(io.BytesIO(clip)), 16_000, 2.0))


def test_a_clip_that_claims_to_be_short_is_measured() -> None:
    clip = _flac_claiming(encoded(np.zeros(48_000, np.float32), container="FLAC"), 16_000)
    with pytest.raises(AudioTooLong):
        _decoded(clip, max_clip_s=2.0)


@pytest.mark.parametrize("n_bytes", [64_002, 1_000_000])
def test_pcm_that_is_too_long_is_refused_before_it_is_read(n_bytes: int) -> None:
    clip = io.BytesIO(_wav_header(16_000, 1, bytes(n_bytes), 0xFFFFFFFF))
    with pytest.raises(AudioTooLong):
        next(decode(clip, identify(clip), 16_000, 2.0))


def test_a_small_file_of_long_silence_is_refused_at_the_limit_in_bounded_memory() -> None:
    bomb = encoded(np.zeros(16_000 * 600, np.float32), container="FLAC")
    assert len(bomb) < 200_000
    file = io.BytesIO(bomb)
    tracemalloc.start()
    with pytest.raises(AudioTooLong):
        for _ in decode(file, identify(file), 16_000, 300):
            pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_a_clip_with_only_its_first_bytes_cannot_be_decoded(container: str, subtype: str) -> None:
    clip = encoded(tones([("low", 0, 1)], 1.0, 48_000), 48_000, container, subtype)
    with pytest.raises(AudioUndecodable, match="cannot be decoded"):
        _decoded(clip[:100])


_WHOLE = [encoded(tones([("low", 0, 0.2)], 0.3, 48_000), 48_000, c, s, 2) for c, s, _ in FORMATS]


@given(st.sampled_from(_WHOLE), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_clip_gives_finite_samples_or_an_audio_error(clip: bytes, damage: list[tuple[int, int]]) -> None:
    damaged = bytearray(clip)
    for place, value in damage:
        damaged[place % len(damaged)] = value
    with contextlib.suppress(AudioError):
        assert np.all(np.isfinite(_decoded(bytes(damaged))))
