import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.curation.regions.annotation_files import write_file
from training.curation.convert import FORMATS, main
from training.curation.regions.region import Region, events_by_recording, single_line
from training.data.example import CaptionedEvent

DOG = Region("a/dog 1.wav", CaptionedEvent(0.5, 1.25, 'a dog barks, "loudly"'))
CAT = Region("a/dog 1.wav", CaptionedEvent(1.0, 30.0, "\\a cat meows — twice"))
BELL = Region("bell.mp3", CaptionedEvent(0.0, 1e-7, "ein Glöckchen"))


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
