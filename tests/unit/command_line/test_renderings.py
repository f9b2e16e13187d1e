import json
from dataclasses import replace

import numpy as np
import pytest

from service.command_line.renderings import as_table, as_text, title
from service.core.localization import QueryResult
from service.core.segments import Segment
from service.engine.interface import Localization
from service.formats.registry import FORMATS, TableName
from tests.manifests import make_manifest

MANIFEST = make_manifest(name="tiny", version="1")
CURVE = np.array([0.1, 0.9, 0.8], np.float32)


def result(query: str, *segments: Segment) -> QueryResult:
    return QueryResult(query, bool(segments), 0.9, CURVE, CURVE, segments)


@pytest.fixture
def localization() -> Localization:
    dog = result("a dog,\n barks", Segment(0.04, 0.08, 0.9, 0.06), Segment(12.5, 13.25, 0.654321, 12.9))
    rain = result("rain", Segment(0.0, 13.25, 0.8, 3.0))
    return Localization("id", 13.25, False, (dog, rain, result("a cat")))


def test_the_table_has_one_line_per_segment_and_one_for_a_query_without_any(localization: Localization) -> None:
    assert as_table(localization.results, title("street.wav", 13.25, "tiny 1")) == (
        "street.wav, 13.25 s, heard by tiny 1\n"
        "\n"
        "query         present  score  segments\n"
        "────────────  ───────  ─────  ──────────────────────────────────\n"
        "a dog, barks  yes      0.90       0.04 to     0.08 s  score 0.90\n"
        "                                 12.50 to    13.25 s  score 0.65\n"
        "rain          yes      0.90       0.00 to    13.25 s  score 0.80\n"
        "a cat         no       0.90   -\n"
    )


def test_segments_that_chance_explains_are_listed_for_a_query_that_is_not_present() -> None:
    weak = replace(result("a dog", Segment(0.0, 13.25, 0.8, 3.0)), present=False)
    (line,) = as_table([weak], "street.wav").splitlines()[4:]
    assert line == "a dog  no       0.90       0.00 to    13.25 s  score 0.80"


def test_json_has_both_curves_and_ends_with_a_line_break(localization: Localization) -> None:
    text = as_text("json", localization, MANIFEST, "street.wav")
    results = json.loads(text)["results"]
    assert text.endswith("}\n")
    assert [set(member) >= {"score", "similarity", "segments"} for member in results] == [True] * 3


def test_ndjson_has_a_line_for_each_query_and_no_curves(localization: Localization) -> None:
    lines = [json.loads(line) for line in as_text("ndjson", localization, MANIFEST, "street.wav").splitlines()]
    assert [line["query"] for line in lines] == ["a dog,\n barks", "rain", "a cat"]
    assert [len(line["segments"]) for line in lines] == [2, 1, 0]
    assert all(line["clip"]["id"] == "id" and "score" not in line for line in lines)


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("json", "ndjson")])
def test_other_formats_have_the_segments_and_the_name(localization: Localization, form: TableName) -> None:
    text = as_text(form, localization, MANIFEST, "street.wav")
    assert "rain" in text
    assert ("street.wav" in text) == (form in ("dcase", "raven", "jams"))
