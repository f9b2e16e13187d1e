from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.clips import tones
from training.own_sounds.recordings import MAX_RECORDING_S, UnsuitableRecordingsError, read_recordings

RATE_HZ = 16_000


def write(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        sound = tones([("high", 0.2, 0.8 + 0.1 * number)], 2.0)
        soundfile.write(folder / f"take{number}.wav", sound, RATE_HZ)


def test_recordings_are_found_in_subfolders_and_brought_to_one_level_and_rate(tmp_path: Path) -> None:
    write(tmp_path / "a", 3)
    soundfile.write(tmp_path / "quiet.flac", 0.01 * np.tile(tones([("low", 0, 1)], 1.0, 8_000)[:, None], 2), 8_000)
    recordings = read_recordings(tmp_path, RATE_HZ)
    assert [path.name for path in recordings.paths] == ["take0.wav", "take1.wav", "take2.wav", "quiet.flac"]
    assert [len(samples) for samples in recordings.store] == [32_000, 32_000, 32_000, 16_000]
    assert np.allclose([np.abs(samples).max() for samples in recordings.store], 0.5, atol=0.01)
    assert recordings.active_s == pytest.approx(0.6 + 0.7 + 0.8 + 1.0, abs=0.1)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_recordings_are_refused(tmp_path: Path, count: int) -> None:
    write(tmp_path, count)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(
        UnsuitableRecordingsError, match=rf"holds {count} recordings \(.*\.wav.* 1 other files.*; 3 to 500"
    ):
        read_recordings(tmp_path, RATE_HZ)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file.wav").write_bytes(b"")
    for path in (tmp_path / "missing", tmp_path / "file.wav"):
        with pytest.raises(UnsuitableRecordingsError, match="is not a folder"):
            read_recordings(path, RATE_HZ)


def test_every_fault_is_told_with_its_file(tmp_path: Path) -> None:
    write(tmp_path, 3)
    (tmp_path / "broken.wav").write_bytes(b"RIFF, or not")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(tmp_path / "short.wav", tones([("low", 0, 0.05)], 0.05), RATE_HZ)
    soundfile.write(tmp_path / "hour.wav", np.zeros(3_600_000), 1_000)
    soundfile.write(tmp_path / "nan.wav", np.full(RATE_HZ, np.nan, np.float32), RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "twice.wav", tones([("high", 0.2, 0.8)], 2.0), RATE_HZ)
    with pytest.raises(UnsuitableRecordingsError) as caught:
        read_recordings(tmp_path, RATE_HZ)
    message = str(caught.value)
    assert message.startswith("6 of 9 recordings cannot be used")
    for fault in (
        "broken.wav: cannot be opened",
        "silent.wav: is silent",
        "short.wav: has 0.05 s that are not silent; at least 0.1 s",
        f"hour.wav: lasts 3600 s; at most {MAX_RECORDING_S:.0f} s",
        "nan.wav: contains samples that are NaN",
        "twice.wav: has the same samples as",
    ):
        assert fault in message


def test_a_folder_of_silence_is_refused(tmp_path: Path) -> None:
    for number in range(12):
        soundfile.write(tmp_path / f"{number:02d}.wav", np.zeros(RATE_HZ), RATE_HZ)
    with pytest.raises(UnsuitableRecordingsError, match=r"(?s)12 of 12 recordings .*07.wav: is silent.*\n  and 4 more"):
        read_recordings(tmp_path, RATE_HZ)
