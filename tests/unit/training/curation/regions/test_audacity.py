from pathlib import Path

import pytest

from tests.unit.training.curation.regions.annotation_files import write_file
from training.curation.regions.audacity import read, write
from training.curation.regions.region import Region
from training.data.example import CaptionedEvent


def test_each_recording_gets_a_file_of_tab_separated_lines(tmp_path: Path) -> None:
    write(
        [Region("a/b.wav", CaptionedEvent(0.5, 1e-3 + 0.5, "a dog")), Region("a/b.wav", CaptionedEvent(2, 3, "rain"))],
        tmp_path,
    )
    assert (tmp_path / "a" / "b.wav.txt").read_text() == "0.5\t0.501\ta dog\n2\t3\train\n"


def test_an_audacity_file_with_frequencies_and_decimal_commas_is_read(tmp_path: Path) -> None:
    file = write_file(tmp_path, "\ufeff2,150000\t2.5\tdog\tbark\r\n\\\t300.0\t6928.456055\r\n3.4\t6.1\tcat\r\n")
    assert read(file, ".wav") == [
        Region("clip.wav", CaptionedEvent(2.15, 2.5, "dog bark")),
        Region("clip.wav", CaptionedEvent(3.4, 6.1, "cat")),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0\t1\tdog\n1.5\t1.5\tcat\n", "line 2: event from 1.5 s to 1.5 s"),
        ("0\t1\tdog\n\n0 1 cat\n", "line 3: '0 1 cat'"),
        ("0\t1\n", "line 1: event from 0.0 s to 1.0 s has no caption"),
        ("\\\t1\t2\n", "line 1: .*below a label"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read(write_file(tmp_path, content))
