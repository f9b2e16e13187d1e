"""The sliders give the segments that the service gives with these settings, without asking the service."""

import pytest
from playwright.sync_api import expect

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
QUERY = "a siren wails"


@pytest.mark.parametrize("name", SLIDERS)
def test_a_slider_recomputes_the_segments_at_once(page: EarmarkPage, service: Service, name: str) -> None:
    page.start_demo().select(QUERY)
    page.page.context.set_offline(True)
    page.set_slider(name, SLIDERS[name][1])
    field, value = SLIDERS[name]
    (expected,) = segments_of_the_service(service, QUERY, **{field: str(value)})
    (before,) = segments_of_the_service(service, QUERY)
    assert expected != before
    expect(page.rows).to_have_count(len(expected))
    expect(page.rows.locator("input").nth(1)).to_have_value(f"{expected[0][1]:.2f}")
    assert page.segments() == expected
    page.page.get_by_role("button", name="Reset").click()
    expect(page.rows).to_have_count(len(before))
    expect(page.rows.locator("input").nth(1)).to_have_value(f"{before[0][1]:.2f}")
    assert page.segments() == before


def test_a_threshold_that_nothing_reaches_says_so(page: EarmarkPage) -> None:
    page.start_demo().set_slider("Threshold", 0.99)
    expect(page.lane("something fries in a pan")).to_contain_text("not heard")
    page.select("something fries in a pan")
    expect(page.page.locator("#no-segments")).to_contain_text("Not heard")
    expect(page.rows).to_have_count(0)
