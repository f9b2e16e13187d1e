"""The library view of the page as a person uses it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests import patient_http
from tests.service_process import Service


def add_recording(service: Service, audio: bytes, **metadata: object) -> str:
    """Adds a recording to the library of a service; returns its id."""
    files: list[Any] = [("audio", ("x", audio)), ("metadata", (None, json.dumps(metadata)))]
    return patient_http.post(f"{service.url}/library/clips", files=files).raise_for_status().json()["id"]


@dataclass(frozen=True)
class LibraryPage:
    page: Page

    def open(self) -> "LibraryPage":
        self.page.get_by_role("button", name="Library", exact=True).click()
        expect(self.page.get_by_role("heading", name="Search the library")).to_be_visible()
        return self

    def search(self, text: str, where: str | None = None) -> "LibraryPage":
        """Searches, and waits for the end of the search."""
        if where is not None:
            self.open_filters()
            self.page.get_by_role("textbox", name="Condition").fill(where)
        self.page.get_by_role("textbox", name="Describe a sound in the library").fill(text)
        self.page.get_by_role("button", name="Search", exact=True).click()
        return self.wait()

    def wait(self) -> "LibraryPage":
        """Waits until nothing is searched any more and there is an answer or a problem."""
        done = self.page.locator("#library-found:not([hidden]), #library-problem:not([hidden])")
        expect(self.page.locator("#library-busy")).to_be_hidden()
        expect(done.first).to_be_visible()
        return self

    def open_filters(self) -> None:
        if self.page.locator("#filters[open]").count() == 0:
            self.page.get_by_text("Filters", exact=False).first.click()

    @property
    def rows(self) -> Locator:
        return self.page.locator(".moment")

    def moments(self) -> list[tuple[float, float]]:
        """The times of the rows, in seconds, with one decimal."""
        texts = self.page.locator(".moment-times").all_text_contents()
        return [(_seconds(begin), _seconds(end)) for begin, end in (text.split(" to ") for text in texts)]

    def names(self) -> list[str]:
        return self.page.locator(".moment-name").all_text_contents()

    def button(self, row: int, name: str) -> Locator:
        return self.rows.nth(row).get_by_role("button", name=re.compile(f"^{name}"))

    def judge(self, row: int, verdict: str) -> "LibraryPage":
        self.button(row, verdict).click()
        expect(self.button(row, verdict)).to_have_attribute("aria-pressed", "true")
        return self

    def judge_back(self, row: int, verdict: str) -> "LibraryPage":
        """Takes a verdict back."""
        self.button(row, verdict).click()
        expect(self.button(row, verdict)).to_have_attribute("aria-pressed", "false")
        return self

    @property
    def problem(self) -> Locator:
        return self.page.locator("#library-problem")

    def save(self, button: str, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=button, exact=True).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path


def _seconds(time: str) -> float:
    minutes, seconds = time.split(":")
    return 60 * int(minutes) + float(seconds)
