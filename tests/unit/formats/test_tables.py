"""Tables are read back by the programs that read such tables."""

import csv
import io
from pathlib import Path

import crowsetta
import pandas
import pytest
import sed_eval
from sed_scores_eval.base_modules.io import read_ground_truth_events

from service.formats.document import Detection
from service.formats.tables import DCASE_COLUMNS, RAVEN_COLUMNS, as_audacity, as_csv, as_dcase, as_raven
from tests.unit.formats.documents import BY_TIME, CELL, DOCUMENT, EMPTY, ODD, make_document
from training.curation.regions import raven


def test_csv_is_read_by_pandas_and_by_the_standard_library() -> None:
    text = as_csv(DOCUMENT)
    table = pandas.read_csv(io.StringIO(text))
    assert list(table.columns) == ["query", "onset_s", "offset_s", "score", "peak_s"]
    assert table["query"].tolist() == [ODD, ODD, "rain"]
    assert table["score"].tolist() == [0.9, 0.654321, 0.8]
    assert next(csv.DictReader(io.StringIO(text, newline="")))["query"] == ODD
    assert as_csv(EMPTY) == "query,onset_s,offset_s,score,peak_s\n"


@pytest.mark.parametrize("query", ["a\rb", "a\r\nb", "a\nb\r\n", '"', "a,\r", "a\u2028b", "a\x85b"])
def test_a_query_stays_in_its_cell_of_a_csv(query: str) -> None:
    document = make_document(Detection(query, 0.0, 1.0, 0.5, 0.5), Detection("rain", 1.0, 2.0, 0.5, 1.5))
    text = as_csv(document)
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))] == ["query", query, "rain"]
    assert pandas.read_csv(io.StringIO(text, newline=""))["onset_s"].tolist() == [0.0, 1.0]


def test_the_event_list_is_read_by_the_tools_of_dcase(tmp_path: Path) -> None:
    path = tmp_path / "events.tsv"
    path.write_text(as_dcase(DOCUMENT), encoding="utf-8")
    events = read_ground_truth_events(str(path))
    assert events == {"street 1": [[onset, offset, query.replace('"', "'")] for query, onset, offset, _ in BY_TIME]}
    table = pandas.read_csv(path, sep="\t")
    assert list(table.columns) == ["filename", "onset", "offset", "event_label"]
    assert table["event_label"].tolist() == ["rain", CELL, CELL]
    items = sed_eval.io.load_event_list(
        str(path), delimiter="\t", csv_header=True, fields=list(DCASE_COLUMNS), file_format="CSV"
    )
    assert [(item.filename, item.onset, item.offset, item.event_label) for item in items] == [
        ("street 1.wav", onset, offset, query.replace('"', "'")) for query, onset, offset, _ in BY_TIME
    ]


def test_audacity_labels_are_read_by_crowsetta(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(as_audacity(DOCUMENT), encoding="utf-8")
    sequence = crowsetta.formats.seq.AudSeq.from_file(path)
    assert sequence.start_times.tolist() == [onset for _, onset, _, _ in BY_TIME]
    assert sequence.end_times.tolist() == [offset for _, _, offset, _ in BY_TIME]
    assert sequence.labels.tolist() == [query for query, *_ in BY_TIME]
    assert as_audacity(EMPTY) == ""


def test_the_selection_table_is_read_by_crowsetta(tmp_path: Path) -> None:
    path = tmp_path / "street.Table.1.selections.txt"
    path.write_text(as_raven(DOCUMENT), encoding="utf-8")
    boxes = crowsetta.formats.bbox.Raven.from_file(path, annot_col="Annotation").to_bbox()
    assert [(box.onset, box.offset, box.low_freq, box.high_freq) for box in boxes] == [
        (onset, offset, 0.0, 8000.0) for _, onset, offset, _ in BY_TIME
    ]


def test_the_selection_table_is_read_by_the_training_tools(tmp_path: Path) -> None:
    path = tmp_path / "street.Table.1.selections.txt"
    path.write_text(as_raven(DOCUMENT), encoding="utf-8")
    regions = raven.read(path)
    assert {region.recording for region in regions} == {"street 1.wav"}
    assert sorted(region.event.onset_s for region in regions) == [onset for _, onset, *_ in BY_TIME]


def test_the_columns_are_named_as_raven_names_them() -> None:
    header, *rows = as_raven(DOCUMENT).splitlines()
    assert header.split("\t")[:7] == [
        "Selection",
        "View",
        "Channel",
        "Begin Time (s)",
        "End Time (s)",
        "Low Freq (Hz)",
        "High Freq (Hz)",
    ]
    assert [len(row.split("\t")) for row in rows] == [len(RAVEN_COLUMNS)] * 3
    assert [row.split("\t")[0] for row in rows] == ["1", "2", "3"]


@pytest.mark.parametrize("write", [as_dcase, as_audacity, as_raven])
def test_a_query_cannot_add_cells_or_rows(write) -> None:
    header = 0 if write is as_audacity else 1
    lines = write(DOCUMENT).split("\n")
    assert len(lines) == header + 3 + 1
    assert len({line.count("\t") for line in lines[:-1]}) == 1
