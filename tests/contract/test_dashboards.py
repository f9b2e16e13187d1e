"""The dashboards of Grafana: as their code has them, documented, and about metrics that exist."""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.readme_tables import metric_rows
from tests.operations.dashboards import FOLDER, GPU_PANELS, panel_queries

DOCKER = FOLDER.parents[1]
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in FOLDER.glob("*.json")}
PANELS = [(name, panel) for name, board in DASHBOARDS.items() for panel in board["panels"] if panel["type"] != "row"]
QUERIES = list(panel_queries())
ROWS = {
    "overview": "Traffic, Errors, Latency, Saturation, Cache, GPU, Audio, Error budget",
    "debugging": "Batches, Queue, Stages, Redis, Decoders",
}


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    folder = DOCKER / "grafana"
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("generate")
    for module in folder.glob("*.py"):
        sys.modules.pop(module.stem, None)


def test_the_files_are_those_of_their_code(generator: Any) -> None:
    assert {name: (FOLDER / f"{name}.json").read_text() for name in DASHBOARDS} == {
        name: generator.rendered(name) for name in generator.DASHBOARDS
    }
    assert sorted(FOLDER.iterdir()) == sorted(FOLDER / f"{name}.json" for name in DASHBOARDS)


def test_the_readme_says_what_each_row_answers(generator: Any) -> None:
    readme = (DOCKER / "README.md").read_text()
    assert generator.with_tables(readme) == readme
    for name in DASHBOARDS:
        assert generator.readme_table(name) in readme


def test_the_dashboards_have_the_rows_that_an_operator_needs() -> None:
    for name, rows in ROWS.items():
        titles = {panel["title"] for panel in DASHBOARDS[name]["panels"] if panel["type"] == "row"}
        assert set(rows.split(", ")) <= titles


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=[f"{name}-{panel['title']}" for name, panel in PANELS])
def test_every_panel_has_a_description_a_unit_a_legend_and_the_provisioned_data_source(
    dashboard: str, panel: dict[str, Any]
) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert all(target["legendFormat"] for target in panel["targets"])
    source = {"type": "prometheus", "uid": "prometheus"}
    assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [source] * (
        1 + len(panel["targets"])
    )
    assert "uid: prometheus\n" in (DOCKER / "grafana/provisioning/datasources/prometheus.yml").read_text()


def test_panels_neither_overlap_nor_leave_the_grid_and_their_numbers_are_unique() -> None:
    for board in DASHBOARDS.values():
        cells = [
            (x, y)
            for panel in board["panels"]
            for place in (panel["gridPos"],)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))


def test_titles_of_panels_are_unique_in_their_dashboard_and_gpu_panels_exist() -> None:
    titles = [(name, panel["title"]) for name, panel in PANELS]
    assert len(titles) == len(set(titles))
    assert {title for _, title in titles} >= GPU_PANELS


def test_every_query_is_about_a_metric_of_the_service_or_a_recording_rule() -> None:
    metrics = {row[0].strip("`") for row in metric_rows()}
    histograms = {row[0].strip("`") for row in metric_rows() if row[1] == "histogram"}
    series = metrics | {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    rules = set(re.findall(r"record: (\S+)", (DOCKER / "prometheus" / "alerts.yml").read_text()))
    for query in QUERIES:
        named = set(re.findall(r"\bearmark[_:][\w:]+", query.expression))
        assert named <= series | rules, str(query)
        assert named or "DCGM_" in query.expression or "ALERTS" in query.expression, str(query)


def test_every_metric_of_the_service_is_shown_or_watched() -> None:
    text = "".join(query.expression for query in QUERIES) + (DOCKER / "prometheus" / "alerts.yml").read_text()
    unseen = {
        row[0].strip("`")
        for row in metric_rows()
        if not re.search(rf"\b{row[0].strip('`')}(_bucket|_sum|_count)?\b", text)
    }
    assert unseen == {"earmark_redis_in_use", "earmark_process_virtual_memory_bytes"}


def test_counters_and_histograms_are_only_read_as_rates() -> None:
    for query in QUERIES:
        for name in re.findall(r"\bearmark_\w+(?:_total|_bucket|_sum|_count)\b", query.expression):
            assert re.search(rf"(rate|increase)\({name}\b", query.expression), str(query)


def test_every_dashboard_selects_instances_and_all_at_first() -> None:
    for name, board in DASHBOARDS.items():
        (variable,) = board["templating"]["list"]
        assert (variable["name"], variable["allValue"], variable["current"]["value"]) == ("instance", ".*", "$__all")
        assert (board["uid"], board["editable"]) == (f"earmark-{name}", False)
