from pathlib import Path

import pytest

from tests.unit.training.curation.regions.annotation_files import write_file
from training.curation.regions.delimited import TableFormat
from training.curation.regions.region import Region
from training.data.example import CaptionedEvent

CSV, TSV = TableFormat(","), TableFormat("\t")
TABLE = "filename,onset,offset,text\na.wav,0,1,dog\n"


def test_rows_are_regions_and_the_extension_is_added_to_their_recordings(tmp_path: Path) -> None:
    file = write_file(tmp_path, 'text,offset,onset,filename,note\n"a dog, loud",1.5,0.5,a,x\n')
    assert CSV.read(file, ".wav") == [Region("a.wav", CaptionedEvent(0.5, 1.5, "a dog, loud"))]


def test_tables_are_written_with_a_header_and_quotes_where_they_are_needed(tmp_path: Path) -> None:
    regions = [Region("a.wav", CaptionedEvent(0.5, 1.5, "a dog, loud"))]
    CSV.write(regions, tmp_path / "t.csv")
    TSV.write(regions, tmp_path / "t.tsv")
    assert (tmp_path / "t.csv").read_text() == 'filename,onset,offset,text\na.wav,0.5,1.5,"a dog, loud"\n'
    assert (tmp_path / "t.tsv").read_text() == "filename\tonset\toffset\ttext\na.wav\t0.5\t1.5\ta dog, loud\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABLE + "a.wav,2,1,cat\n", r"clip.txt, line 3: event from 2.0 s to 1.0 s"),
        (TABLE + "a.wav,zero,1,cat\n", r"line 3: could not convert string to float: 'zero'"),
        (TABLE + "a.wav,0,1\n", r"clip.txt, line 3: 3 fields; 4 are accepted"),
        (TABLE + "a.wav,0,1,a cat, loud\n", "line 3: 5 fields; 4 are accepted"),
        (TABLE + "../a.wav,0,1,cat\n", r"line 3: recording '../a.wav'"),
        (TABLE + 'a.wav,0,1,"cat\n', "line 3: unexpected end of data"),
        ("filename,onset,text\n", r"clip.txt lacks the columns \['offset'\]; it has \['filename', 'onset', 'text'\]"),
        ("", r"lacks the columns \['filename', 'offset', 'onset', 'text'\]"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        CSV.read(write_file(tmp_path, content))


def test_a_table_with_another_delimiter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks the columns"):
        TSV.read(write_file(tmp_path, TABLE))
