from pathlib import Path

import pytest

from tests.tiny_audio import write_burst
from training.data.datasets import read_dataset, read_with_issues

HEADER = "audiocap_id,youtube_id,start_time,caption\n"


def build(folder: Path) -> Path:
    for path in ("train/-abc_def_123_30.flac", "val/Yxyz.wav", "deep/er/plain.ogg"):
        write_burst(folder / path)
    (folder / "train.csv").write_text(HEADER + '1,-abc_def_123,30,"Rain, then wind"\n2,gone,10,A bell\n3,plain,20,\n')
    (folder / "val.csv").write_text(HEADER + "4,xyz,0,A dog\n5,plain,70,A cat\n6,xyz,0,A dog barks\n")
    return folder


def test_the_captions_of_a_recording_are_one_example_for_every_naming_of_its_file(tmp_path: Path) -> None:
    rain, dog, cat = read_dataset("audiocaps", build(tmp_path))
    assert (rain.path.name, rain.split, rain.captions) == ("-abc_def_123_30.flac", "train", ("Rain, then wind",))
    assert (dog.path.name, dog.split, dog.captions) == ("Yxyz.wav", "val", ("A dog", "A dog barks"))
    assert (cat.path.name, cat.split, cat.captions) == ("plain.ogg", "val", ("A cat",))


def test_a_row_without_a_caption_and_a_video_without_a_file_are_recorded(tmp_path: Path) -> None:
    issues = read_with_issues("audiocaps", build(tmp_path)).issues
    assert [(issue.kind, issue.where) for issue in issues] == [
        ("broken row", f"{tmp_path}/train.csv, line 4"),
        ("missing file", str(tmp_path / "gone_10.*")),
    ]


def test_a_table_with_other_columns_is_an_error(tmp_path: Path) -> None:
    (build(tmp_path) / "val.csv").write_text("id,caption\n1,A dog\n")
    with pytest.raises(ValueError, match=r"val.csv lacks the columns \['audiocap_id', 'start_time', 'youtube_id'\]"):
        read_dataset("audiocaps", tmp_path)
