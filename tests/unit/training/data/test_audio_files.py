from pathlib import Path

from tests.tiny_audio import write_burst
from training.data.audio_files import AudioIndex, audio_files


def test_audio_files_in_subfolders_and_linked_folders_are_listed(tmp_path: Path) -> None:
    elsewhere = write_burst(tmp_path / "elsewhere" / "linked.flac").parent
    direct = write_burst(tmp_path / "data" / "deep" / "er" / "a.WAV")
    (tmp_path / "data" / "notes.txt").write_text("no audio")
    (tmp_path / "data" / "link").symlink_to(elsewhere)
    assert audio_files(tmp_path / "data") == [direct, tmp_path / "data" / "link" / "linked.flac"]


def test_a_format_that_cannot_be_read_does_not_hide_one_that_can(tmp_path: Path) -> None:
    for suffix in ("m4a", "webm"):
        (tmp_path / f"x.{suffix}").write_bytes(b"not read by libsndfile")
    wav = write_burst(tmp_path / "z" / "x.wav")
    assert AudioIndex(tmp_path).find("x") == wav
    assert audio_files(tmp_path) == [wav]


def test_the_index_returns_the_file_of_the_first_existing_stem(tmp_path: Path) -> None:
    wav, flac = write_burst(tmp_path / "x" / "b.wav"), write_burst(tmp_path / "a" / "b.flac")
    index = AudioIndex(tmp_path)
    assert index.find("a", "b") == flac != wav
    assert index.find("c", "d") == tmp_path / "c.*"
