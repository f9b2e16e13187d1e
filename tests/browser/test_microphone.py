"""Recording from the microphone; the browser's fake device beeps."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import NewPage


def test_a_recording_from_the_microphone_is_searched_and_played(new_page: NewPage) -> None:
    page = new_page(permissions=["microphone"])
    page.add("a beep")
    page.page.get_by_role("button", name="Record", exact=True).click()
    expect(page.page.locator("#record-time")).to_have_text(re.compile(r"0:0[2-9]|0:[1-9]"))
    page.page.get_by_role("button", name="Stop and use it").click()
    page.wait_for_results(1)
    expect(page.page.get_by_role("heading", name="Microphone recording")).to_be_visible()
    length = page.page.locator("#recording-length")
    expect(length).to_have_text(re.compile(r"0:0[2-9]|0:[1-9]"))
    expect(page.page.locator("body.reading")).to_have_count(0)
    expect(page.page.locator("#spectrogram")).to_be_visible()  # the browser could decode it
    play = page.page.get_by_role("button", name="Play", exact=True)
    play.click()
    expect(page.page.locator("#time")).not_to_have_text("0:00.0")


def test_a_recording_can_be_discarded(new_page: NewPage) -> None:
    page = new_page(permissions=["microphone"])
    page.page.get_by_role("button", name="Record", exact=True).click()
    expect(page.page.locator("#record-time")).not_to_have_text("0:00.0")
    page.page.get_by_role("button", name="Discard").click()
    expect(page.page.get_by_role("dialog")).to_be_hidden()
    expect(page.page.get_by_role("heading", level=1)).to_be_visible()  # still the first screen


def test_a_refused_microphone_is_explained(new_page: NewPage) -> None:
    failure = "throw new DOMException('Permission denied', 'NotAllowedError')"
    page = new_page(init_script=f"navigator.mediaDevices.getUserMedia = async () => {{ {failure} }}")
    page.page.get_by_role("button", name="Record", exact=True).click()
    expect(page.page.get_by_role("alert")).to_contain_text("Allow this page")
