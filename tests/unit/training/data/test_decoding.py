import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.tiny_audio import write_burst, write_undecodable_file
from training.data.decoding import UnreadableRecordingError, decode, recording_duration_s


def test_any_rate_and_number_of_channels_become_mono_at_the_requested_rate(tmp_path: Path) -> None:
    time = np.arange(44_100) / 44_100
    stereo = np.stack([np.sin(2 * np.pi * 440 * time), np.zeros(44_100)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44_100, subtype="FLOAT")
    mono = decode(tmp_path / "a.wav", 16_000)
    assert mono.shape == (16_000,)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(mono[2000:14_000], expected[2000:14_000], atol=1e-3)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("onset_s", [0.0, 0.3, 1.2, 2.0, 3.9])
def test_an_excerpt_equals_that_part_of_the_whole_recording(tmp_path: Path, suffix: str, onset_s: float) -> None:
    path = write_burst(tmp_path / f"a.{suffix}", 5.0, (1.0, 4.5), 44_100, 2)
    whole = decode(path, 44_100)
    first = round(onset_s * 44_100)
    np.testing.assert_allclose(decode(path, 44_100, onset_s, 1.0), whole[first : first + 44_100], atol=1e-5)


def test_an_excerpt_ends_with_its_recording(tmp_path: Path) -> None:
    path = write_burst(tmp_path / "a.wav", 2.0)
    assert recording_duration_s(path) == 2.0
    assert len(decode(path, 16_000, 1.5, 10.0)) == 8_000


def cut_in_half(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_a_file_that_is_missing_or_not_audio_cannot_be_opened(tmp_path: Path) -> None:
    for path in (write_undecodable_file(tmp_path / "a.mp3"), tmp_path / "missing.wav", tmp_path):
        with pytest.raises(UnreadableRecordingError, match=f"{path}: cannot be opened") as raised:
            decode(path, 16_000)
        assert str(path) not in raised.value.reason


@pytest.mark.parametrize(("suffix", "reason"), [("mp3", "ends after"), ("flac", "cannot be decoded")])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, reason: str) -> None:
    path = cut_in_half(write_burst(tmp_path / f"a.{suffix}", 10.0, (0.0, 10.0), 44_100))
    with pytest.raises(UnreadableRecordingError, match=reason):
        decode(path, 16_000)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRecordingError, match="header announces 0 samples"):
        recording_duration_s(write_burst(tmp_path / "a.wav", 0.0))


def test_a_recording_shorter_than_one_sample_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.5]), 44_100)
    with pytest.raises(
        UnreadableRecordingError, match="contains 1 samples at 44100 Hz; at least one sample at 16000 Hz"
    ):
        decode(tmp_path / "a.wav", 16_000)
    assert decode(tmp_path / "a.wav", 44_100).shape == (1,)


def test_samples_that_are_nan_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan]), 16_000, subtype="FLOAT")
    with pytest.raises(UnreadableRecordingError, match="NaN or infinite"):
        decode(tmp_path / "a.wav", 16_000)


def test_the_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(UnreadableRecordingError(Path("a.wav"), "is broken")))
    assert (error.path, error.reason, str(error)) == (Path("a.wav"), "is broken", "a.wav: is broken")
