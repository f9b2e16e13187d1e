"""The alert rules: documented, tested, and about metrics that exist. `make operations-check` runs them in promtool."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.engine.caching.reporting import SERIES
from service.engine.decoder_counts import NoDecoders
from service.settings import Settings, variable
from tests.contract.readme_tables import metric_rows, read_exposition

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docker" / "prometheus" / "alerts.yml"
DOCUMENT = (ROOT / "docker" / "alerts.md").read_text()
ALL_RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in ALL_RULES if "alert" in rule}
TESTS = yaml.safe_load((ROOT / "tests" / "operations" / "alerts_test.yml").read_text())["tests"]
NOT_CAPACITY = {"ending", "slow"}
"""Reasons of refusals that more capacity would not change."""


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_what_is_wrong_and_links_to_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}
    assert alert["annotations"]["description"].endswith(".")
    assert alert["annotations"]["runbook"] == f"docker/alerts.md#{name.lower()}"


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    sections = re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE)
    assert [section for section in sections if section != "The objective"] == list(ALERTS)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    cases = [case for test in TESTS for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == set(ALERTS)
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == set(ALERTS)


def test_rules_are_about_metrics_of_the_service() -> None:
    metrics = {row[0].strip("`") for row in metric_rows()}
    records = {rule["record"] for rule in ALL_RULES if "record" in rule}
    for rule in ALL_RULES:
        named = set(re.findall(r"\bearmark[_:][\w:]+", rule["expr"]))
        assert named <= metrics | records, rule


def test_the_burn_rates_differ_in_their_window_only() -> None:
    burns = {
        rule["record"].removeprefix("earmark:error_budget_burn:rate"): rule["expr"]
        for rule in ALL_RULES
        if rule.get("record", "").startswith("earmark:error_budget_burn:rate")
    }
    assert list(burns) == ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]
    assert len({expression.replace(f"[{window}]", "[]") for window, expression in burns.items()}) == 1


def test_the_document_explains_every_label_on_which_an_alert_depends() -> None:
    exposition = asyncio.run(read_exposition())
    reasons = set(re.findall(r'earmark_requests_refused_total{reason="(\w+)"}', exposition))
    assert reasons >= NOT_CAPACITY
    assert f'reason!~"{"|".join(sorted(NOT_CAPACITY))}"' in ALERTS["EarmarkRefusing"]["expr"]
    for reason in reasons:
        assert f"`{reason}`" in DOCUMENT
    for (reason,) in SERIES["refusals"]:
        assert f"`{reason}`" in DOCUMENT
    for kind in NoDecoders().report().failures:
        assert f"`{kind}`" in DOCUMENT


def test_the_document_names_settings_that_exist_and_links_that_lead_somewhere() -> None:
    settings = {variable(name) for name in Settings.model_fields}
    assert set(re.findall(r"EARMARK_[A-Z_]*[A-Z]", DOCUMENT)) <= settings
    sections = {f"#{title.lower().replace(' ', '-')}" for title in re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE)}
    assert set(re.findall(r"\]\((#[^)]+)\)", DOCUMENT)) <= sections
