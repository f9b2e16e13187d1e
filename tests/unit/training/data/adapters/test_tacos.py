from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from tests.tiny_audio import write_burst
from training.data.adapters.tacos import stratified_test_split
from training.data.datasets import read_dataset, read_with_issues
from training.data.example import CaptionedEvent

METADATA = """filename,keywords,subclass,title,description,start_time_s,end_time_s
101.mp3,"dog, bark",Dog,Rex,"He said ""woof"".
Twice.",0,2
102.mp3,rain,Rain,,,0,2
103.mp3,"car, horn","Car, horn",,,0,2
104.mp3,owl,Owl,,,0,2
"""
STRONG = """filename,text,onset,offset
101.mp3,"A dog barks, then growls.",0.25,0.75
101.mp3,"A door  ""slams"".",1.0,1.5
102.mp3,Rain falls.,0.0,2.0
103.mp3,A horn honks.,1.5,1.0
103.mp3,A horn honks.,half,2.0
999.mp3,A ghost.,0.0,1.0
102.mp3,Too,many,fields,0.0
104.mp3,An owl hoots.,0.0,1.0
"""
WEAK = "filename,text\n101.mp3,A dog barks before a door slams.\n102.mp3,Rain falls steadily.\n104.mp3,\n"


def build(folder: Path, **tables: str) -> Path:
    for name in ("101", "102", "103"):
        write_burst(folder / "audio" / f"{name}.mp3", 2.0, rate_hz=32_000)
    texts = {
        "metadata": METADATA,
        "annotations_strong": STRONG,
        "annotations_weak": WEAK,
        "test_split": "filename\n102.mp3\n998.mp3\n",
    }
    for name, text in (texts | tables).items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_recordings_have_their_regions_their_caption_and_their_split(tmp_path: Path) -> None:
    dog, rain = read_dataset("tacos", build(tmp_path))
    assert (dog.path, dog.split) == (tmp_path / "audio" / "101.mp3", "train")
    assert dog.captions == ("A dog barks before a door slams.",)
    assert dog.events == (
        CaptionedEvent(0.25, 0.75, "A dog barks, then growls."),
        CaptionedEvent(1.0, 1.5, 'A door "slams".'),
    )
    assert (rain.split, rain.captions) == ("test", ("Rain falls steadily.",))


def test_every_entry_left_out_is_recorded_with_its_place_and_reason(tmp_path: Path) -> None:
    issues = [str(issue).removeprefix(f"{tmp_path}/") for issue in read_with_issues("tacos", build(tmp_path)).issues]
    assert issues == [
        "annotations_strong.csv, line 5: event from 1.5 s to 1.0 s; 0 <= onset < offset is accepted",
        "annotations_strong.csv, line 6: could not convert string to float: 'half'",
        "annotations_strong.csv, line 7: '999.mp3' is not in metadata.csv",
        "annotations_strong.csv, line 8: 5 fields; 4 are accepted",
        "annotations_weak.csv, line 4: text is ''; text is accepted",
        "test_split.csv, line 3: '998.mp3' is not in metadata.csv",
        "audio/103.mp3: has neither a caption nor an event",
        "audio/104.mp3: file not found",
    ]


def test_the_column_of_captions_may_be_called_caption(tmp_path: Path) -> None:
    dog, _ = read_dataset("tacos", build(tmp_path, annotations_weak="filename,caption\n101.mp3,A dog.\n"))
    assert dog.captions == ("A dog.",)


def test_a_recording_that_is_listed_twice_counts_once(tmp_path: Path) -> None:
    reading = read_with_issues("tacos", build(tmp_path, metadata=METADATA + "101.mp3,x,Cat,,,0,2\n"))
    assert sum(example.path.name == "101.mp3" for example in reading.examples) == 1
    assert f"{tmp_path}/metadata.csv, line 7: 101.mp3 is listed twice" in map(str, reading.issues)


@pytest.mark.parametrize("table", ["metadata", "annotations_strong", "annotations_weak"])
def test_a_table_that_is_missing_or_has_another_format_is_an_error(tmp_path: Path, table: str) -> None:
    with pytest.raises(ValueError, match=f"{table}.csv lacks the columns"):
        read_dataset("tacos", build(tmp_path, **{table: "file;name\n1;2\n"}))
    (tmp_path / f"{table}.csv").unlink()
    with pytest.raises(FileNotFoundError, match=table):
        read_dataset("tacos", tmp_path)


def test_without_a_published_split_the_split_is_that_of_the_papers_code() -> None:
    subclasses = {f"{number}.mp3": f"class {number % 40}" for number in np.random.default_rng(0).permutation(12_358)}
    test = stratified_test_split(subclasses)
    _, expected = train_test_split(
        list(subclasses), test_size=2000 / 12_358, stratify=list(subclasses.values()), random_state=42
    )
    assert len(test) == 2_000
    assert test == set(expected)


def test_a_copy_too_small_to_be_split_is_an_error(tmp_path: Path) -> None:
    (build(tmp_path) / "test_split.csv").unlink()
    with pytest.raises(ValueError, match=r"4 recordings cannot be split without test_split.csv"):
        read_dataset("tacos", tmp_path)
