import io

import numpy as np
import pytest
import soundfile

from service.core.warnings import AnswerWarning
from service.engine.clip_checks import ClipChecks
from service.engine.clip_report import ClipReport
from service.engine.containers import identify
from service.engine.decoding import decode
from service.engine.sound_block import SoundBlock
from tests.clips import encoded

RATE_HZ = 16_000
TIME_S = np.arange(4 * RATE_HZ) / RATE_HZ
NOISE = np.random.default_rng(0).normal(0, 0.1, 4 * RATE_HZ).astype(np.float32)
TONE = (0.3 * np.sin(2 * np.pi * 440 * TIME_S)).astype(np.float32)


def heard(
    samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str = "FLOAT"
) -> tuple[np.ndarray, list[AnswerWarning]]:
    """Decodes a WAV of samples (N,) or (N, C)."""

    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, subtype, format="WAV")
    blocks = decode(file, identify(file), RATE_HZ, 600)
    parts = []
    while True:
        try:
            parts.append(next(blocks))
        except StopIteration as end:
            return np.concatenate(parts), list(end.value)


def codes(warnings: list[AnswerWarning]) -> list[str]:
    return [warning.code for warning in warnings]


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_ordinary_sound_has_no_warning(channels: int) -> None:
    shared = NOISE[:, None] + np.random.default_rng(1).normal(0, 0.1, (len(NOISE), channels))
    samples, warnings = heard(shared.astype(np.float32))
    assert warnings == []
    np.testing.assert_allclose(samples, shared.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_floats_that_were_never_scaled_are_scaled_back(bits: int) -> None:
    scale = 2.0 ** (bits - 1)
    samples, warnings = heard(NOISE * np.float32(scale))
    assert codes(warnings) == ["samples-out-of-range"]
    assert f"{scale:g}" in warnings[0].message
    np.testing.assert_allclose(samples, NOISE, rtol=1e-5)


def test_a_loud_end_decides_over_a_silent_start() -> None:
    samples, warnings = heard(np.concatenate([np.zeros(60 * RATE_HZ, np.float32), NOISE * 32_768]))
    assert codes(warnings) == ["samples-out-of-range"]
    np.testing.assert_allclose(samples[60 * RATE_HZ :], NOISE, rtol=1e-5)


def test_single_stray_samples_are_clipped_and_the_rest_stays() -> None:
    stray = NOISE.copy()
    stray[40_000] = 1e6
    samples, (warning,) = heard(stray)
    assert (warning.code, warning.onset_s, warning.offset_s) == ("samples-out-of-range", 2, 3)
    assert samples[40_000] == 1
    np.testing.assert_array_equal(np.delete(samples, 40_000), np.delete(NOISE, 40_000))


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.7])
def test_of_channels_that_cancel_each_other_the_louder_is_taken(gain: float) -> None:
    samples, (warning,) = heard(np.stack([NOISE, -np.float32(gain) * NOISE], axis=1))
    assert (warning.code, warning.onset_s, warning.offset_s) == ("channels-cancel", 0, 4)
    np.testing.assert_array_equal(samples, NOISE)


def test_the_samples_are_contiguous_whichever_channel_is_taken() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.stack([NOISE, -NOISE], axis=1), RATE_HZ, "FLOAT", format="WAV")
    assert all(block.flags.c_contiguous for block in decode(file, identify(file), RATE_HZ, 600))


def test_only_the_stretch_in_which_channels_cancel_is_changed() -> None:
    right = NOISE.copy()
    right[RATE_HZ : 2 * RATE_HZ] *= -1
    samples, (warning,) = heard(np.stack([NOISE, right], axis=1))
    assert (warning.code, warning.onset_s, warning.offset_s) == ("channels-cancel", 1, 2)
    fade = range(RATE_HZ, RATE_HZ + 160)
    np.testing.assert_allclose(np.delete(samples, fade), np.delete(NOISE, fade), atol=1e-6)


def test_a_silent_channel_or_unrelated_channels_do_not_cancel() -> None:
    other = np.random.default_rng(2).normal(0, 0.1, len(NOISE)).astype(np.float32)
    for right in (np.zeros_like(NOISE), other):
        samples, warnings = heard(np.stack([NOISE, right], axis=1))
        assert warnings == []
        np.testing.assert_allclose(samples, (NOISE + right) / 2, atol=1e-7)


def test_a_constant_offset_is_reported() -> None:
    assert codes(heard(NOISE + np.float32(0.1))[1]) == ["dc-offset"]
    assert codes(heard(NOISE + np.float32(0.001))[1]) == []


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_digital_silence_is_reported_alone(subtype: str) -> None:
    assert codes(heard(np.zeros(4 * RATE_HZ, np.float32), subtype=subtype)[1]) == ["digital-silence"]
    assert codes(heard(np.zeros((100, 2), np.float32), subtype=subtype)[1]) == ["digital-silence"]


def test_the_faintest_16_bit_sound_is_not_silence() -> None:
    faint = np.sign(NOISE) / 32_768
    assert "digital-silence" not in codes(heard(faint.astype(np.float32), subtype="PCM_16")[1])


@pytest.mark.parametrize("level", [1.0, 0.4])
def test_sound_that_is_clipped_most_of_the_time_is_reported(level: float) -> None:
    clipped = np.clip(NOISE * 50, -1, 1) * np.float32(level)
    assert codes(heard(clipped)[1]) == ["clipped"]
    rarely = np.clip(NOISE * 10, -1, 1)  # a third of the samples
    assert codes(heard(rarely)[1]) == []


def test_half_a_clip_of_clipped_sound_is_not_reported() -> None:
    assert codes(heard(np.concatenate([NOISE, np.clip(NOISE * 50, -1, 1)[: 3 * RATE_HZ]]))[1]) == []


def test_sound_without_energy_above_2_khz_is_reported() -> None:
    assert codes(heard(TONE)[1]) == ["narrow-band"]
    assert codes(heard(TONE[::4], 4_000)[1]) == ["narrow-band"]
    assert codes(heard(TONE, subtype="PCM_16")[1]) == ["narrow-band"]
    assert codes(heard(np.concatenate([TONE, TONE + NOISE]))[1]) == []


def test_telephone_sound_is_not_narrow_band() -> None:
    assert codes(heard(NOISE[:8_000], 8_000)[1]) == []


def test_very_short_clips_are_not_judged_by_offset_or_bandwidth() -> None:
    assert heard(np.full(50, 0.5, np.float32))[1] == []


def test_compressed_clips_are_checked_too() -> None:
    flac = encoded(np.zeros(RATE_HZ, np.float32), container="FLAC")
    blocks = decode(io.BytesIO(flac), identify(io.BytesIO(flac)), RATE_HZ, 60)
    warnings = None
    while warnings is None:
        try:
            next(blocks)
        except StopIteration as end:
            warnings = end.value
    assert codes(warnings) == ["digital-silence"]


def _sections_with_faults() -> list[np.ndarray]:
    """Sound of 4.5 s whose faults begin and end within it: (N, C) each."""
    rng = np.random.default_rng(2)
    samples = rng.normal(0, 0.1, (72_000, 2)).astype(np.float32)
    cancelling, stray, loud = samples.copy(), samples.copy(), np.clip(samples * 50, -1, 1)
    cancelling[20_000:50_000, 1] = -cancelling[20_000:50_000, 0]
    stray[[10, 40_000, 71_990], [0, 1, 0]] = 100, -100, 100
    return [samples, cancelling, stray, loud, np.zeros_like(samples)]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", _sections_with_faults())
def test_a_section_of_several_seconds_gives_what_its_seconds_give(samples: np.ndarray, channels: int) -> None:
    samples = np.ascontiguousarray(samples[:, :channels])
    whole, by_second = ClipReport(), ClipReport()
    mixed = _mixed([samples], whole)
    np.testing.assert_array_equal(mixed, _mixed(np.split(samples, range(RATE_HZ, len(samples), RATE_HZ)), by_second))
    assert whole.warnings() == by_second.warnings()
    assert mixed.flags.c_contiguous


def _mixed(sections: list[np.ndarray], report: ClipReport) -> np.ndarray:
    checks = ClipChecks(report)
    mixed = np.concatenate([checks.mix(SoundBlock(section, RATE_HZ)) for section in sections])
    checks.finish()
    return mixed
