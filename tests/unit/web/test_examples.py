"""The queries that the page offers."""

import json
import re
from pathlib import Path

import pytest

from service.core.query_warnings import language_warning, negation_warning, order_warning
from service.web.vendor import FOLDER

TRUTH = Path(__file__).parents[2] / "demo" / "truth.json"
SOURCE = (FOLDER.parent / "examples.js").read_text(encoding="utf-8")


def _list(name: str) -> list[str]:
    (content,) = re.findall(rf"export const {name} = \[(.*?)\];", SOURCE, re.DOTALL)
    return re.findall(r'"([^"]+)"', content)


def test_the_queries_of_the_demo_are_heard_in_it() -> None:
    queries = _list("DEMO_QUERIES")
    assert len(queries) == 4
    assert set(queries) <= {event["query"] for event in json.loads(TRUTH.read_text())}


@pytest.mark.parametrize("query", _list("EXAMPLES"))
def test_no_example_needs_a_warning(query: str) -> None:
    assert [language_warning(query), negation_warning(query), order_warning(query)] == [None] * 3


def test_examples_differ() -> None:
    assert len(set(_list("EXAMPLES"))) == len(_list("EXAMPLES")) >= 10
