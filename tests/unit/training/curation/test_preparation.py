from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.curation.preparation import LOUDNESS_LUFS, PEAK, SAMPLE_RATE_HZ, audible_bounds, normalize, prepare


def tone(duration_s: float, amplitude: float = 0.1, rate_hz: int = SAMPLE_RATE_HZ) -> NDArray[np.float32]:
    return (amplitude * np.sin(2 * np.pi * 997 * np.arange(int(duration_s * rate_hz)) / rate_hz)).astype(np.float32)


def silence(duration_s: float) -> NDArray[np.float32]:
    return np.zeros(int(duration_s * SAMPLE_RATE_HZ), np.float32)


def test_a_full_scale_tone_of_997_hz_becomes_20_db_quieter() -> None:
    """The loudness of the tone is -3.01 LUFS by definition (ITU-R BS.1770-4, annex 1)."""
    assert np.abs(normalize(tone(2.0, 1.0))).max() == pytest.approx(10 ** ((LOUDNESS_LUFS + 3.01) / 20), rel=0.01)


def test_silence_is_trimmed_at_both_ends_and_the_length_is_cut(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.concatenate([silence(1), tone(40), silence(2)]), SAMPLE_RATE_HZ)
    kept = prepare(tmp_path / "a.wav", tmp_path / "a.flac")
    assert (kept.start_s, kept.end_s) == (1.0, 31.0)
    assert soundfile.info(tmp_path / "a.flac").duration == 30.0
    soundfile.write(tmp_path / "b.wav", np.concatenate([silence(1), tone(3), silence(2)]), SAMPLE_RATE_HZ)
    assert prepare(tmp_path / "b.wav", tmp_path / "b.flac").end_s == 4.0


def test_a_stereo_recording_becomes_mono_flac_at_the_target_loudness(tmp_path: Path) -> None:
    stereo = np.stack([tone(3, 0.02, 44_100)] * 2, axis=1)
    soundfile.write(tmp_path / "a.ogg", stereo, 44_100)
    prepare(tmp_path / "a.ogg", tmp_path / "a.part")
    info = soundfile.info(tmp_path / "a.part")
    assert (info.format, info.subtype, info.channels, info.samplerate) == ("FLAC", "PCM_16", 1, SAMPLE_RATE_HZ)
    samples, rate_hz = soundfile.read(tmp_path / "a.part")
    assert pyloudnorm.Meter(rate_hz).integrated_loudness(samples) == pytest.approx(LOUDNESS_LUFS, abs=0.1)


def test_a_click_is_kept_and_does_not_clip(tmp_path: Path) -> None:
    click = silence(0.1)
    click[100] = 0.01
    soundfile.write(tmp_path / "a.wav", click, SAMPLE_RATE_HZ)
    prepare(tmp_path / "a.wav", tmp_path / "a.flac")
    samples, _ = soundfile.read(tmp_path / "a.flac")
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=1e-4)


@given(before=st.integers(0, 2000), length=st.integers(1, 3000), after=st.integers(0, 2000))
def test_trimming_keeps_every_audible_sample(before: int, length: int, after: int) -> None:
    first, end = audible_bounds(np.pad(np.full(length, 0.5, np.float32), (before, after)))
    assert first <= before
    assert before + length <= end <= before + length + after
    assert before - first < 0.02 * SAMPLE_RATE_HZ
    assert end - before - length < 0.02 * SAMPLE_RATE_HZ


def test_silence_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", silence(1), SAMPLE_RATE_HZ)
    with pytest.raises(ValueError, match="is silent"):
        prepare(tmp_path / "a.wav", tmp_path / "a.flac")


def test_a_file_that_is_not_audio_or_is_incomplete_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ogg").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"^cannot be opened: Format not recognised\.$"):
        prepare(tmp_path / "a.ogg", tmp_path / "a.flac")
    soundfile.write(tmp_path / "a.wav", silence(0), SAMPLE_RATE_HZ)
    with pytest.raises(ValueError, match=r"^header announces 0 samples"):
        prepare(tmp_path / "a.wav", tmp_path / "a.flac")
    soundfile.write(tmp_path / "b.wav", tone(3), SAMPLE_RATE_HZ)
    with pytest.raises(ValueError, match=r"lasts 3\.0 s of the 10\.0 s"):
        prepare(tmp_path / "b.wav", tmp_path / "b.flac", announced_s=10.0)
