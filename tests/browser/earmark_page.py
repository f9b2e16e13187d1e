"""The page as a person uses it: actions by the names that a person sees, and what the page shows."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

HEARD = re.compile("heard")
SLOWEST = 0.0625
"""The lowest rate at which Chromium plays sound. At this rate a busy machine sees that a short sound is played."""


def set_sound_rate(page: Page, rate: float) -> None:
    """Plays all sounds of a page at a rate from now on; 1 is their own."""
    page.evaluate(f"window.setSoundRate({rate})")


@dataclass(frozen=True)
class EarmarkPage:
    page: Page

    def start_demo(self) -> "EarmarkPage":
        self.page.get_by_role("button", name="Try the demo").click()
        return self.wait_for_results(4)

    def choose(self, *paths: Path) -> "EarmarkPage":
        self.page.locator("#file").set_input_files([*paths])
        return self

    def add(self, query: str) -> "EarmarkPage":
        field = self.page.get_by_role("textbox", name="Describe a sound")
        field.fill(query)
        field.press("Enter")
        return self

    def wait_for_results(self, number: int, timeout_ms: float | None = None) -> "EarmarkPage":
        expect(self.page.locator(".lane-state").filter(has_text=HEARD)).to_have_count(number, timeout=timeout_ms)
        return self

    def lane(self, query: str) -> Locator:
        return self.page.locator(".lane").filter(has=self.page.get_by_role("button", name=query, exact=True))

    def select(self, query: str) -> "EarmarkPage":
        self.lane(query).get_by_role("button").click()
        return self

    @property
    def rows(self) -> Locator:
        return self.page.locator("#segment-rows tr")

    def segments(self) -> list[tuple[float, float]]:
        """Start and end of the listed segments, in seconds."""
        values = [
            row.locator("input").evaluate_all("fields => fields.map(field => field.value)") for row in self.rows.all()
        ]
        return [(float(start), float(end)) for start, end in values]

    def chips(self) -> list[str]:
        return self.page.locator(".chip-text").all_text_contents()

    def set_slider(self, name: str, value: float) -> "EarmarkPage":
        self.page.get_by_role("slider", name=name).fill(str(value))
        return self

    def x_of(self, query: str, seconds: float, duration_s: float) -> tuple[float, float]:
        """Where a time of the whole recording is in a lane, from the corner of the window, in pixels."""
        canvas = self.lane(query).locator("canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box
        return box["x"] + box["width"] * seconds / duration_s, box["y"] + box["height"] / 2

    def photograph(self, path: Path) -> None:
        """Saves a picture of the whole page; Playwright's method adds a style element, which the page's policy forbids."""
        session = self.page.context.new_cdp_session(self.page)
        content = session.send("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        path.write_bytes(base64.b64decode(content))
        session.detach()

    def time_s(self) -> float:
        minutes, seconds = (self.page.locator("#time").text_content() or "").split(":")
        return 60 * int(minutes) + float(seconds)
