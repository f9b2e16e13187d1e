"""The sliders give the segments that the service gives with these settings, without asking the service."""

import pytest
from playwright.sync_api import expect

from tests import patient_http
from tests.browser.earmark_page import EarmarkPage
from tests.browser.test_search import segments_of_the_service
from tests.service_process import Service

SLIDERS = {
    "Threshold": ("threshold", 0.8),
    "Smoothing": ("median_filter_s", 2.0),
    "Extent": ("extent_ratio", 1.0),
    "Minimum duration": ("min_duration_s", 2.1),
    "Merge gap": ("merge_gap_s", 5.0),
}
QUERY = "an alarm clock rings"


@pytest.mark.parametrize("name", SLIDERS)
def test_a_slider_recomputes_the_segments_at_once(page: EarmarkPage, service: Service, name: str) -> None:
    page.start_demo().add(QUERY).wait_for_results(5).select(QUERY)
    page.page.context.set_offline(True)
    field, value = SLIDERS[name]
    page.set_slider(name, value)
    (expected,) = segments_of_the_service(service, QUERY, **{field: str(value)})
    (before,) = segments_of_the_service(service, QUERY)
    assert expected != before
    _expect_segments(page, expected)
    page.page.get_by_role("button", name="Reset").click()
    _expect_segments(page, before)


def _expect_segments(page: EarmarkPage, segments: list[tuple[float, float]]) -> None:
    expect(page.rows).to_have_count(len(segments))
    for row, edges in enumerate(segments):
        for column, seconds in enumerate(edges):
            expect(page.rows.nth(row).locator("input").nth(column)).to_have_value(f"{seconds:.2f}")


def test_the_value_of_a_slider_is_the_value_that_is_applied(page: EarmarkPage, service: Service) -> None:
    page.start_demo()
    defaults = patient_http.get(f"{service.url}/info").json()["defaults"]
    for name, (field, other) in SLIDERS.items():
        output = page.page.locator(f"#setting-{field}").locator("xpath=..").locator("output")
        assert float((output.text_content() or "").removesuffix(" s")) == defaults[field], name
        page.set_slider(name, other)
        assert float((output.text_content() or "").removesuffix(" s")) == other


def test_a_threshold_that_nothing_reaches_says_so(page: EarmarkPage) -> None:
    page.start_demo().set_slider("Threshold", 0.99)
    expect(page.lane("a car horn honks")).to_contain_text("not heard")
    page.select("a car horn honks")
    expect(page.page.locator("#no-segments")).to_contain_text("Not heard")
    expect(page.rows).to_have_count(0)
