from pathlib import Path

import pytest

from tests.unit.training.curation.regions.annotation_files import write_file
from training.curation.regions.raven import read, write
from training.curation.regions.region import Region
from training.data.example import CaptionedEvent

HEADER = "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n"


def test_each_recording_gets_a_table_that_raven_opens(tmp_path: Path) -> None:
    write([Region("a/b.wav", CaptionedEvent(0.5, 1.5, "a dog"))], tmp_path)
    header, row = (tmp_path / "a" / "b.wav.Table.1.selections.txt").read_text().splitlines()
    assert header == (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\tAnnotation"
    )
    assert row == "1\tSpectrogram 1\t1\t0.5\t1.5\t0\t16000\ta/b.wav\ta dog"


def test_a_selection_in_two_views_is_one_region_with_times_from_its_recordings_start(tmp_path: Path) -> None:
    header = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies\n"
    rows = (  # two tables over several recordings, one below the other: selection numbers restart at 1
        "1\tWaveform 1\t1\t61.5\t63.0\tb.wav\t1.5\towl\n"
        "1\tSpectrogram 1\t1\t61.5\t63.0\tb.wav\t1.5\towl\n"
        "1\tWaveform 1\t1\t4.0\t5.0\ta.wav\t4.0\tfox\n"
        "1\tSpectrogram 1\t1\t4.0\t5.0\ta.wav\t4.0\tfox\n"
    )
    assert read(write_file(tmp_path, header + rows)) == [
        Region("b.wav", CaptionedEvent(1.5, 3.0, "owl")),
        Region("a.wav", CaptionedEvent(4.0, 5.0, "fox")),
    ]


def test_a_raven_table_without_file_column_is_named_after_its_recording(tmp_path: Path) -> None:
    file = write_file(tmp_path, "Begin Time (s)\tEnd Time (s)\tAnnotation\n0\t1\towl\n", "x.Table.1.selections.txt")
    assert read(file, ".wav") == [Region("x.wav", CaptionedEvent(0, 1, "owl"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "1\t0\t1\n", "line 2: 3 cells; the header has 4"),
        (HEADER + "1\t0\tnan\tdog\n", "line 2: event from 0.0 s to nan s"),
        ("Selection\tBegin Time (s)\tEnd Time (s)\tFoo\n", "line 1: .*Annotation"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(write_file(tmp_path, content))
