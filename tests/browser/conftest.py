"""Tests of the page in Chromium against the real service; `make browser-check` runs them, and `make test` does not."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from service.core.manifest import PACKAGED_BUNDLE
from tests.browser.earmark_page import EarmarkPage
from tests.service_process import Service, run_service

DEBIAN_PACKAGE = "chromium"
PROGRAM = "chromium"
PATIENCE_MS = 90_000
"""How long a test waits for what must happen; on a busy machine everything takes ten times as long."""
ARGUMENTS = (
    "--no-sandbox",  # CI runs as root
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-dev-shm-usage",
)

SOUND = """
    window.heard = [];
    window.sounds = new Set();
    window.setSoundRate = (rate) => {
        window.soundRate = rate;
        for (const sound of window.sounds) sound.playbackRate = rate;
    };
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () {
        if (!window.sounds.has(this)) this.addEventListener("ended", () => window.heard.push(this.duration));
        window.sounds.add(this);
        this.playbackRate = window.soundRate ?? 1;
        return play.call(this);
    };
"""
"""Records the lengths of the sounds that were played to their end, and can play them slowly."""

NewPage = Callable[..., EarmarkPage]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ends the run with one line if the browser is missing."""
    if shutil.which(PROGRAM) is None:
        pytest.exit(f"these tests need a Debian package: apt-get install {DEBIAN_PACKAGE}", returncode=2)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service with the default model."""
    with run_service(PACKAGED_BUNDLE, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(PROGRAM), args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser, service: Service) -> Iterator[NewPage]:
    """Opens the page in a fresh browser profile; at the end no page may have reported an error."""
    errors: list[str] = []
    contexts: list[Any] = []

    def open_page(path: str = "/", url: str | None = None, init_script: str = "", **options: Any) -> EarmarkPage:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(SOUND)
        if init_script:
            context.add_init_script(init_script)
        page = context.new_page()
        _collect_errors(page, errors)
        page.goto((url or service.url) + path)
        return EarmarkPage(page)

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def _collect_errors(page: Page, errors: list[str]) -> None:
    def collect(message: ConsoleMessage) -> None:
        is_injected = not message.location["url"]  # by a test, such as axe, which tries styles that the policy forbids
        is_status = "Failed to load resource" in message.text  # a refused request, which the page explains
        if message.type in ("error", "warning") and not is_injected and not is_status:
            errors.append(message.text)

    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", collect)


@pytest.fixture
def page(new_page: NewPage) -> EarmarkPage:
    return new_page()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where a test leaves pictures for a person: the folder PAGE_PICTURES, or one that pytest removes."""
    folder = Path(os.environ.get("PAGE_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
