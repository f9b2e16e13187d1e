from pathlib import Path

from tests.tiny_audio import write_burst
from training.data.audio_files import AudioIndex, audio_files


def test_audio_is_found_in_any_subfolder_linked_ones_too(tmp_path: Path) -> None:
    elsewhere = write_burst(tmp_path / "elsewhere" / "linked.flac").parent
    direct = write_burst(tmp_path / "data" / "deep" / "er" / "a.WAV")
    (tmp_path / "data" / "notes.txt").write_text("no audio")
    (tmp_path / "data" / "link").symlink_to(elsewhere)
    assert audio_files(tmp_path / "data") == [direct, tmp_path / "data" / "link" / "linked.flac"]


def test_a_file_is_found_by_the_first_name_that_there_is(tmp_path: Path) -> None:
    wav, flac = write_burst(tmp_path / "x" / "b.wav"), write_burst(tmp_path / "a" / "b.flac")
    index = AudioIndex(tmp_path)
    assert index.find("a", "b") == flac != wav
    assert index.find("c", "d") == tmp_path / "c.wav"
