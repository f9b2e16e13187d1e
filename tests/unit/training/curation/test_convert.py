import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.curation.convert import FORMATS, main
from training.curation.regions.region import Region, events_by_recording, single_line
from training.data.example import CaptionedEvent

DOG = Region("a/dog 1.wav", CaptionedEvent(0.5, 1.25, 'a dog barks, "loudly"'))
CAT = Region("a/dog 1.wav", CaptionedEvent(1.0, 30.0, "\\a cat meows — twice"))
BELL = Region("bell.mp3", CaptionedEvent(0.0, 1e-7, "ein Glöckchen"))


def write_file(folder: Path, content: str, name: str = "clip.txt") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8", newline="")
    return file


@pytest.mark.parametrize("name", FORMATS)
def test_regions_are_read_as_they_were_written(name: str, tmp_path: Path) -> None:
    FORMATS[name].write([DOG, CAT, BELL], tmp_path / "annotations")
    assert FORMATS[name].read(tmp_path / "annotations", "") == [DOG, CAT, BELL]


part = st.text("abc .-_'é#%&?=+", min_size=1, max_size=8).filter(lambda text: text not in (".", ".."))
regions = st.builds(
    lambda folder, name, onset_s, length_s, caption: Region(
        f"{folder}/{name}" if folder else name, CaptionedEvent(onset_s, onset_s + length_s, single_line(caption))
    ),
    st.just("") | part,
    part.map(lambda text: f"{text}.wav"),
    st.floats(0, 1e5),
    st.floats(1e-3, 1e5),
    st.text().filter(str.strip),
)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40)
@given(written_regions=st.lists(regions, min_size=1, max_size=6))
def test_every_format_keeps_every_region(
    name: str, written_regions: list[Region], tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("regions") / "annotations"
    FORMATS[name].write(written_regions, target)
    assert events_by_recording(FORMATS[name].read(target, "")) == events_by_recording(written_regions)


def test_an_audacity_file_with_frequencies_and_decimal_commas_is_read(tmp_path: Path) -> None:
    file = write_file(tmp_path, "\ufeff2,150000\t2.5\tdog\tbark\r\n\\\t300.0\t6928.456055\r\n3.4\t6.1\tcat\r\n")
    assert FORMATS["audacity"].read(file, ".wav") == [
        Region("clip.wav", CaptionedEvent(2.15, 2.5, "dog bark")),
        Region("clip.wav", CaptionedEvent(3.4, 6.1, "cat")),
    ]


def test_a_selection_in_two_views_is_one_region_with_times_from_its_recordings_start(tmp_path: Path) -> None:
    header = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies\n"
    rows = (  # two tables over several recordings, one below the other: selection numbers restart at 1
        "1\tWaveform 1\t1\t61.5\t63.0\tb.wav\t1.5\towl\n"
        "1\tSpectrogram 1\t1\t61.5\t63.0\tb.wav\t1.5\towl\n"
        "1\tWaveform 1\t1\t4.0\t5.0\ta.wav\t4.0\tfox\n"
        "1\tSpectrogram 1\t1\t4.0\t5.0\ta.wav\t4.0\tfox\n"
    )
    assert FORMATS["raven"].read(write_file(tmp_path, header + rows), "") == [
        Region("b.wav", CaptionedEvent(1.5, 3.0, "owl")),
        Region("a.wav", CaptionedEvent(4.0, 5.0, "fox")),
    ]


def test_a_raven_table_without_file_column_is_named_after_its_recording(tmp_path: Path) -> None:
    file = write_file(tmp_path, "Begin Time (s)\tEnd Time (s)\tAnnotation\n0\t1\towl\n", "x.Table.1.selections.txt")
    assert FORMATS["raven"].read(file, ".wav") == [Region("x.wav", CaptionedEvent(0, 1, "owl"))]


def label_studio_export(*results: dict, **task: object) -> str:
    annotation = {"id": 7, "completed_by": 1, "was_cancelled": False, "result": list(results)}
    return json.dumps(
        [{"id": 1, "data": {"audio": "/data/upload/3/1ab2c3d4-my%20dog.wav"}, "annotations": [annotation], **task}]
    )


LABEL = {
    "id": "M5lfg", "from_name": "labels", "to_name": "audio", "type": "labels", "original_length": 9.5,
    "value": {"start": 8.0, "end": 9.75, "channel": 0, "labels": ["Dog", "Bark"]},
}  # fmt: skip
TEXT = {
    "id": "M5lfg", "from_name": "caption", "to_name": "audio", "type": "textarea", "original_length": 9.5,
    "value": {"start": 8.0, "end": 9.75, "channel": 0, "text": ["a dog barks"]},
}  # fmt: skip
WHOLE = {"id": "q", "from_name": "quality", "to_name": "audio", "type": "choices", "value": {"choices": ["good"]}}


@pytest.mark.parametrize(("results", "caption"), [([LABEL, TEXT, WHOLE], "a dog barks"), ([LABEL], "Dog, Bark")])
def test_a_label_studio_export_gives_captions_or_else_labels(results: list[dict], caption: str, tmp_path: Path) -> None:
    file = write_file(tmp_path, label_studio_export(*results))
    assert FORMATS["label-studio"].read(file, "") == [Region("my dog.wav", CaptionedEvent(8.0, 9.5, caption))]


def test_predictions_in_an_export_are_not_read(tmp_path: Path) -> None:
    file = write_file(tmp_path, label_studio_export(annotations=[], predictions=[{"result": [LABEL]}]))
    assert FORMATS["label-studio"].read(file, "") == []


def test_a_skipped_task_gives_no_region(tmp_path: Path) -> None:
    skipped = {"result": [LABEL], "was_cancelled": True}
    assert FORMATS["label-studio"].read(write_file(tmp_path, label_studio_export(annotations=[skipped])), "") == []


TABLE = "filename,onset,offset,text\na.wav,0,1,dog\n"
RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tacos", TABLE + "a.wav,2,1,cat\n", r"clip.txt, line 3: event from 2.0 s to 1.0 s"),
        ("tacos", TABLE + "a.wav,zero,1,cat\n", r"line 3: could not convert string to float: 'zero'"),
        ("tacos", TABLE + "a.wav,0,1\n", r"clip.txt, line 3: 3 fields; 4 are accepted"),
        ("tacos", TABLE + "a.wav,0,1,a cat, loud\n", "line 3: 5 fields; 4 are accepted"),
        ("tacos", TABLE + "../a.wav,0,1,cat\n", r"line 3: recording '../a.wav'"),
        ("tacos", TABLE + 'a.wav,0,1,"cat\n', "line 3: unexpected end of data"),
        ("tacos", "filename,onset,text\n", r"clip.txt lacks the columns \['offset'\]; it has \['filename', 'onset', 'text'\]"),
        ("tacos", "", r"lacks the columns \['filename', 'offset', 'onset', 'text'\]"),
        ("tsv", TABLE, "lacks the columns"),
        ("audacity", "0\t1\tdog\n1.5\t1.5\tcat\n", "line 2: event from 1.5 s to 1.5 s"),
        ("audacity", "0\t1\tdog\n\n0 1 cat\n", "line 3: '0 1 cat'"),
        ("audacity", "0\t1\n", "line 1: event from 0.0 s to 1.0 s has no caption"),
        ("audacity", "\\\t1\t2\n", "line 1: .*below a label"),
        ("raven", RAVEN + "1\t0\t1\n", "line 2: 3 cells; the header has 4"),
        ("raven", RAVEN + "1\t0\tnan\tdog\n", "line 2: event from 0.0 s to nan s"),
        ("raven", "Selection\tBegin Time (s)\tEnd Time (s)\tFoo\n", "line 1: .*Annotation"),
        ("label-studio", "[{]", r"clip.txt: .*line 1 column 3"),
        ("label-studio", '[{"data": {}}, {"date": {}}]', r"clip.txt, task 2.data: Field required"),
        ("label-studio", '[{"data": {"sound": "a.wav"}}]', "task 1: 'filename' or 'audio' is needed in data; it has sound"),
        ("label-studio", label_studio_export({"id": "x", "value": {"start": 2, "end": 1}}), "task 1, region x: event"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        FORMATS[name].read(write_file(tmp_path, content), "")


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_not_text_is_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "clip.txt").write_bytes(b"RIFF\xff\xfe")
    with pytest.raises(ValueError, match=r"clip.txt(: not a text file in| is not a table in) UTF-8"):
        FORMATS[name].read(tmp_path / "clip.txt", "")


def test_the_command_gathers_a_folder_of_labels_into_a_table(tmp_path: Path) -> None:
    write_file(tmp_path, "0\t1.5\ta dog\n", "in/one.txt")
    write_file(tmp_path, "2\t3\ta cat\n", "in/sub/two.txt")
    paths = str(tmp_path / "in"), str(tmp_path / "out.csv")
    main([*paths, "--from", "audacity", "--to", "tacos", "--extension", ".wav"])
    with (tmp_path / "out.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["filename", "onset", "offset", "text"],
            ["one.wav", "0.0", "1.5", "a dog"],
            ["sub/two.wav", "2.0", "3.0", "a cat"],
        ]


@pytest.mark.parametrize("source", ["missing.csv", "empty"])
def test_the_command_ends_with_the_error_and_no_traceback(source: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=source):
        main([str(tmp_path / source), str(tmp_path / "out"), "--from", "audacity", "--to", "tsv"])
