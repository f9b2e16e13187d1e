import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.core.library_errors import FilterInvalid
from service.library.filters import MAX_CHARS, check_condition
from service.library.store import Library
from tests.library_parts import make_library, new_recording

COLUMNS = {"site": str, "gain": float, "order": str}
ODD = ["north", "o'brien", "\\", "\\' OR 1=1 --", 'a"b', "`", "ü", "%", "a\nb"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = make_library(tmp_path_factory.mktemp("library"))
    library.add_metadata_columns(COLUMNS, "t.csv")
    library.add(
        [new_recording(f"/{i}", bytes([i]), 10 + i, site=site, gain=i - 3.5) for i, site in enumerate(ODD)]
        + [new_recording("/none", b"none", 5)]
    )
    return library


def _found(library: Library, condition: str) -> list[str]:
    sql = check_condition(condition, library.metadata_columns())
    return sorted(path for path in library.recordings(["path"], sql)["path"].to_pylist())


@pytest.mark.parametrize("site", ODD)
def test_a_text_is_compared_as_it_is(site: str, library: Library) -> None:
    quoted = site.replace("'", "''")
    assert _found(library, f"site = '{quoted}'") == [f"/{ODD.index(site)}"]


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ("gain > -3.5 and gain <= -1.5", ["/1", "/2"]),
        ("GAIN BETWEEN -2.6 AND -1.4", ["/1", "/2"]),
        ("-3 > gain", ["/0"]),
        ("site IN ('north', '%') AND NOT path = '/0'", ["/7"]),
        ("site LIKE 'o%'", ["/1"]),
        ("site is null", ["/none"]),
        ("site is not null and duration_s < 0.45", ["/0", "/1"]),
        ("(path = '/1' or path = '/2') and gain < -2", ["/1"]),
        ('"order" is null and duration_s = 0.2', ["/none"]),
        (" OR ".join(["path = '/3'"] * 120), ["/3"]),
        ("(" * 5 + "NOT (path != '/3' OR (gain < -9 AND gain < -8))" + ")" * 5, ["/3"]),
        ("gain IN (" + ", ".join(["-0.5"] * 300) + ")", ["/3"]),
    ],
)
def test_conditions_select_recordings(condition: str, paths: list[str], library: Library) -> None:
    assert _found(library, condition) == paths


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("", "not understood"),
        ("site", "it has site"),
        ("1 = 1", "where a column is needed"),
        ("repeat('x', 1000000000) = 'x'", "where a column is needed"),
        ("site = repeat('x', 1000000000)", "where a value is needed"),
        ("site = gain", "where a value is needed"),
        ("gain + 1 > 2", "where a column is needed"),
        ("gain = 'x'", "compares a column of numbers with 'x'"),
        ("site = 3", "compares a column of texts with 3"),
        ("gain LIKE 'x'", "column gain holds numbers"),
        ("gain = 1e999", "compares a column of numbers"),
        ("gain = 1e", "compares a column of numbers with 1e"),
        ("1e+ < gain", "compares a column of numbers|not understood"),
        ("{ : } 1", "not understood"),
        ("1 { : @ STRUCT } 'a' DATE ARRAY : LIKE ,", "not understood"),
        ("zone = 'x'", "no column zone; accepted: the columns id, path"),
        ("generation = 1", "no column generation"),
        ("t.site = 'x'", "where a column is needed"),
        ("site = 'x'; DROP TABLE recordings", "not understood"),
        ("site IN (SELECT path FROM recordings)", "it has site IN"),
        ("site = 'x' UNION SELECT 1", "not understood"),
        ("site = ?", "where a value is needed"),
        ("(" * 1500, "not understood"),
        ("(" * 40 + "gain = 1" + ")" * 40, "nested too deeply"),
        ("NOT " * 400 + "gain = 1", "nested too deeply|not understood"),
        ("site = 'x' AND", "not understood"),
        ("x" * (MAX_CHARS + 1), "it has 2001 characters"),
        ("site = 'x", "not understood"),
        ("CASE WHEN site = 'x' THEN gain = 1 END", "it has CASE"),
        ("true", "it has TRUE"),
    ],
)
def test_anything_else_is_refused(condition: str, reason: str) -> None:
    with pytest.raises(FilterInvalid, match=reason.replace("(", r"\(")):
        check_condition(condition, COLUMNS)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from(list("site gan=<>'\"()`;-*/%\\01.ANDORINL,?:[]{}|~@#$")), max_size=40))
def test_no_text_is_anything_but_a_condition_or_refused(text: str) -> None:
    with contextlib.suppress(FilterInvalid):
        assert check_condition(text, COLUMNS).startswith("(")


WORDS = (
    *(
        "site",
        "gain",
        "=",
        "<",
        "'a'",
        "1",
        "1e",
        "AND",
        "OR",
        "NOT",
        "(",
        ")",
        "IN",
        "LIKE",
        "IS",
        "NULL",
        "-",
        ",",
        ".",
    ),
    *("::", "CASE", "WHEN", "END", "[", "]", "{", "}", ":", "?", "@", "->", "||", "STRUCT", "ARRAY", "DATE"),
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join))
def test_no_order_of_words_is_anything_but_a_condition_or_refused(text: str) -> None:
    with contextlib.suppress(FilterInvalid):
        assert check_condition(text, COLUMNS).startswith("(")
