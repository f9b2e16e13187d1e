from pathlib import Path

import pytest

from tests.tiny_audio import write_burst
from training.data.datasets import read_dataset, read_with_issues
from training.data.example import CaptionedEvent

HEADER = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
NAMES = "/m/05tny_\tBark\n/m/09x0r\tSpeech\n/t/dd00003\tMale speech, man speaking\n"
EVAL = """a_b-c_30000\t0.000\t1.500\t/m/05tny_
a_b-c_30000\t4.0\t5.0\t/m/05tny_
a_b-c_30000\t1.500\t2.250\t/m/05tny_
a_b-c_30000\t1.000\t2.000\t/t/dd00003
gone_0\t0.0\t1.0\t/m/09x0r
xyz_0\t0.0\t1.0\t/m/unknown
xyz_0\t2.0\tend\t/m/09x0r
"""


def build(folder: Path) -> Path:
    write_burst(folder / "audio" / "eval" / "Ya_b-c.mp3", 10.0, rate_hz=32_000)
    write_burst(folder / "audio" / "train_0.wav", 10.0)
    (folder / "mid_to_display_name.tsv").write_text(NAMES)
    (folder / "audioset_eval_strong.tsv").write_text(HEADER + EVAL)
    (folder / "audioset_train_strong.tsv").write_text(HEADER + "train_0\t0.0\t1.0\t/m/09x0r\n")
    return folder


def test_events_are_captioned_with_label_names_and_touching_events_are_merged(tmp_path: Path) -> None:
    train, test = read_dataset("audioset-strong", build(tmp_path))
    assert (train.path.name, train.split, train.events) == ("train_0.wav", "train", (CaptionedEvent(0, 1, "Speech"),))
    assert (test.path.name, test.split, test.captions) == ("Ya_b-c.mp3", "test", ())
    assert test.events == (
        CaptionedEvent(0.0, 2.25, "Bark"),
        CaptionedEvent(1.0, 2.0, "Male speech, man speaking"),
        CaptionedEvent(4.0, 5.0, "Bark"),
    )


def test_unknown_labels_wrong_times_and_missing_files_are_recorded(tmp_path: Path) -> None:
    issues = read_with_issues("audioset-strong", build(tmp_path)).issues
    assert [str(issue).removeprefix(f"{tmp_path}/") for issue in issues] == [
        "audioset_eval_strong.tsv, line 7: label '/m/unknown' is not in mid_to_display_name.tsv",
        "audioset_eval_strong.tsv, line 8: could not convert string to float: 'end'",
        "audio/Ygone.*: file not found",
    ]


def test_a_missing_table_of_label_names_is_an_error(tmp_path: Path) -> None:
    (build(tmp_path) / "mid_to_display_name.tsv").unlink()
    with pytest.raises(FileNotFoundError, match="mid_to_display_name"):
        read_dataset("audioset-strong", tmp_path)
