from pathlib import Path

import pytest

from tests.unit.training.curation.regions.annotation_files import write_file
from training.curation.regions.folders import annotation_files, annotation_path

ENDINGS = (".Table.1.selections.txt", ".txt")


def test_recordings_are_named_by_the_files_of_a_folder_and_its_subfolders(tmp_path: Path) -> None:
    b, a = write_file(tmp_path, "", "b.txt"), write_file(tmp_path, "", "a/x.Table.1.selections.txt")
    write_file(tmp_path, "", "notes.md")
    assert list(annotation_files(tmp_path, ENDINGS, ".wav")) == [(a, "a/x.wav"), (b, "b.wav")]


def test_a_single_file_names_its_recording_without_its_folder(tmp_path: Path) -> None:
    file = write_file(tmp_path, "", "a/x.mp3.txt")
    assert list(annotation_files(file, ENDINGS, "")) == [(file, "x.mp3")]


def test_a_folder_without_annotation_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no \.txt file"):
        list(annotation_files(tmp_path, ENDINGS, ""))


def test_the_folder_of_an_annotation_file_is_created(tmp_path: Path) -> None:
    path = annotation_path(tmp_path, "a/b/x.wav", ".txt")
    assert path == tmp_path / "a" / "b" / "x.wav.txt"
    assert path.parent.is_dir()
