import csv
import io
import json

from service.command_line.table_rows import header, named_lines, segment_rows
from service.formats.document import Detection

LATE, EARLY = Detection('a "dog",\nbarks', 2.0, 3.0, 0.5, 2.5), Detection("rain", 0.0, 1.0, 0.9, 0.5)
FILE = 'night, "1".wav'


def test_csv_rows_begin_with_the_file_and_keep_the_order_of_the_queries() -> None:
    table = header("csv") + segment_rows("csv", FILE, [LATE, EARLY])
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [(row["file"], row["query"], row["onset_s"]) for row in rows] == [
        (FILE, LATE.query, "2.0"),
        (FILE, "rain", "0.0"),
    ]


def test_event_lists_are_in_order_of_time() -> None:
    lines = (header("dcase") + segment_rows("dcase", FILE, [LATE, EARLY])).splitlines()
    assert lines == [
        "filename\tonset\toffset\tevent_label",
        "night, '1'.wav\t0.0\t1.0\train",
        "night, '1'.wav\t2.0\t3.0\ta 'dog', barks",
    ]


def test_lines_get_the_file_as_their_first_member() -> None:
    lines = named_lines(FILE, '{"clip":{"id":"x"},"query":"rain"}\n{"query":"犬"}\n').splitlines()
    assert [json.loads(line) for line in lines] == [
        {"file": FILE, "clip": {"id": "x"}, "query": "rain"},
        {"file": FILE, "query": "犬"},
    ]
    text = "".join(map(chr, range(0x20, 0x2100)))  # with characters that splitlines() takes for the end of a line
    (line,) = named_lines(text, json.dumps({"query": text}, ensure_ascii=False) + "\n").removesuffix("\n").split("\n")
    assert json.loads(line) == {"file": text, "query": text}
    assert header("ndjson") == named_lines(FILE, "") == ""


def test_a_query_with_a_line_separator_stays_on_its_line() -> None:
    (line,) = named_lines(FILE, '{"query":"rain\u2028or\u0085snow"}\n').rstrip("\n").split("\n")
    assert json.loads(line) == {"file": FILE, "query": "rain\u2028or\u0085snow"}
