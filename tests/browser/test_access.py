"""Everybody can use the page: with a keyboard, with a screen reader, in light and dark, on a phone, with an API key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from service.access.keys import ApiKey, hash_of
from service.access.keys_file import add_key
from tests.browser.conftest import NewPage
from tests.browser.earmark_page import SLOWEST, EarmarkPage, set_sound_rate
from tests.browser.test_search import SCENE
from tests.service_process import Service, run_service

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


def violations(page: EarmarkPage) -> list[str]:
    results = Axe().run(page.page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in results.response["violations"]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_of_accessibility_is_broken(new_page: NewPage, pictures: Path, theme: str, size: str) -> None:
    page = new_page(color_scheme=theme, viewport=SIZES[size])
    expect(page.page.locator("#model")).not_to_be_empty()
    page.photograph(pictures / f"start-{theme}-{size}.png")
    assert violations(page) == []
    page.start_demo().add("no dog").wait_for_results(5)
    expect(page.page.locator("body.reading")).to_have_count(0)
    page.photograph(pictures / f"results-{theme}-{size}.png")
    assert violations(page) == []


def test_no_rule_of_accessibility_is_broken_in_dialogs_and_messages(page: EarmarkPage, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    page.choose(tmp_path / "empty.wav")
    expect(page.page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []
    page.page.get_by_role("button", name="Shortcuts").click()
    expect(page.page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


def test_everything_can_be_done_with_the_keyboard(page: EarmarkPage) -> None:
    keyboard = page.page.keyboard

    def tab_to(name: str) -> None:
        for _ in range(80):
            keyboard.press("Tab")
            focus = page.page.evaluate(
                "(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()"
            )
            if focus == name:
                return
        raise AssertionError(f"Tab does not reach {name!r}")

    expect(page.page.locator("#model")).not_to_be_empty()
    tab_to("Try the demo")
    keyboard.press("Enter")
    page.wait_for_results(4)
    expect(page.page.locator("#recording-name")).to_be_focused()
    set_sound_rate(page.page, SLOWEST)
    keyboard.press("n")
    expect(page.page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.rows.first).to_have_class("selected")
    set_sound_rate(page.page, 1)
    expect(page.page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    keyboard.press("/")
    keyboard.type("birds chirp")
    keyboard.press("Enter")
    page.wait_for_results(5)
    tab_to("Start of segment 1, in seconds")
    keyboard.press("Control+A")
    keyboard.type("5.5")
    keyboard.press("Enter")
    expect(page.lane("a dog barks")).to_contain_text("corrected")
    assert page.segments()[0][0] == 5.5
    tab_to("Delete segment 1")
    keyboard.press("Enter")
    expect(page.rows).to_have_count(2)
    keyboard.press("Control+z")
    expect(page.rows).to_have_count(3)
    page.page.get_by_role("slider", name="Threshold").focus()
    keyboard.press("End")
    expect(page.lane("a siren wails")).to_contain_text("not heard")
    page.page.get_by_role("button", name="Zoom in").focus()
    keyboard.press("+")
    expect(page.page.locator("#minimap")).to_be_visible()
    keyboard.press("0")
    expect(page.page.locator("#minimap")).to_be_hidden()
    keyboard.press("?")
    expect(page.page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Escape")
    expect(page.page.get_by_role("dialog")).to_be_hidden()


def test_a_screen_reader_hears_the_results(page: EarmarkPage) -> None:
    page.start_demo()
    live = page.page.locator("#live")
    expect(live).to_contain_text("a dog barks: heard 3 times")
    page.add("a cat meows").wait_for_results(5)
    expect(live).to_have_text("a cat meows: not heard")


def test_the_theme_is_that_of_the_system_until_another_is_chosen(new_page: NewPage) -> None:
    page = new_page(color_scheme="dark").page
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Switch to light colours").click()
    expect(root).to_have_attribute("data-theme", "light")
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")


@pytest.fixture
def closed_service(tiny_bundle: Path, tmp_path: Path) -> Iterator[Service]:
    """A service with the key `good-key`."""
    keys_file = tmp_path / "keys.toml"
    add_key(keys_file, ApiKey("browser", hash_of(b"good-key")))
    folder = tmp_path / "closed"
    folder.mkdir()
    with run_service(tiny_bundle, folder, KEYS_FILE=str(keys_file)) as service:
        yield service


def test_a_service_with_keys_asks_for_one(new_page: NewPage, closed_service: Service) -> None:
    page = new_page(url=closed_service.url)
    dialog = page.page.get_by_role("dialog")
    expect(dialog).to_contain_text("asks for a key")
    assert violations(page) == []
    dialog.get_by_label("Key", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_contain_text("does not know that key")
    dialog.get_by_label("Key", exact=True).fill("good-key")
    page.page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    page.add("low").choose(SCENE).wait_for_results(1)
    page.page.reload()  # the tab remembers the key
    expect(page.page.locator("#model")).not_to_be_empty()
    assert "good-key" not in page.page.content() + page.page.url
    assert page.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]


def test_without_a_key_the_page_says_why_it_cannot_search(new_page: NewPage, closed_service: Service) -> None:
    page = new_page(url=closed_service.url)
    page.page.get_by_role("button", name="Not now").click()
    expect(page.page.get_by_role("alert")).to_be_visible()
    page.page.get_by_role("button", name="Try again").click()
    expect(page.page.get_by_role("dialog")).to_contain_text("asks for a key")
