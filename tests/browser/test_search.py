"""A recording comes in, queries are searched, and the page shows what the service answers."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import soundfile
from playwright.sync_api import Route, expect

from service.web.vendor import FOLDER
from tests import patient_http
from tests.browser.conftest import NewPage
from tests.browser.earmark_page import EarmarkPage
from tests.service_process import Service, wav

SCENE = Path(__file__).parents[1] / "demo" / "scene.flac"
DEMO_S = 38.0


def segments_of_the_service(service: Service, *queries: str, **fields: str) -> list[list[tuple[float, float]]]:
    files: list[Any] = [("audio", SCENE.read_bytes()), *(("query", (None, query)) for query in queries)]
    answer = patient_http.post(f"{service.url}/localize", files=files, data={"curves": "none"} | fields)
    results = answer.raise_for_status().json()["results"]
    return [
        [(round(each["onset_s"], 2), round(each["offset_s"], 2)) for each in result["segments"]] for result in results
    ]


RECORD_FORMS = """
    window.sentForms = [];
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (form) {
        if (form) {
            window.sentForms.push([...form.keys()]);
            if (window.forgetClips && form.has("clip_id")) form.set("clip_id", "0".repeat(64));
        }
        return send.call(this, form);
    };
"""
"""Records the names of the fields of each form that the page sends, and can name a clip that the service does not know."""


@pytest.fixture
def recorded(new_page: NewPage) -> EarmarkPage:
    """The page, which records the forms that it sends."""
    return new_page(init_script=RECORD_FORMS)


def _sent_clips(page: EarmarkPage) -> list[str]:
    """The field that holds the clip, of each form that was sent."""
    return [fields[0] for fields in page.page.evaluate("window.sentForms")]


def test_the_demo_recording_is_that_of_the_readme() -> None:
    assert (FOLDER.parent / "demo" / "scene.flac").read_bytes() == SCENE.read_bytes()


def test_the_demo_shows_the_segments_of_the_service(page: EarmarkPage, service: Service) -> None:
    page.start_demo()
    queries = page.chips()
    for query, segments in zip(queries, segments_of_the_service(service, *queries), strict=True):
        page.select(query)
        expect(page.rows).to_have_count(len(segments))
        assert page.segments() == segments
        assert segments
    expect(page.page.locator("#duration")).to_have_text("0:38.0")


def test_a_recording_is_chosen_and_queries_are_typed_and_removed(page: EarmarkPage) -> None:
    page.choose(SCENE)
    page.add("a dog barks").add("  a   cat meows ").add("a dog barks").wait_for_results(2)
    assert page.chips() == ["a dog barks", "a cat meows"]
    expect(page.lane("a dog barks")).to_contain_text("heard 3 times")
    expect(page.lane("a cat meows")).to_contain_text("not heard")
    page.page.get_by_role("button", name="Remove a dog barks").click()
    assert page.chips() == ["a cat meows"]
    expect(page.page.locator(".lane")).to_have_count(1)


def test_a_recording_can_be_dropped(page: EarmarkPage) -> None:
    page.add("a dog barks")
    transfer = page.page.evaluate_handle(
        """async () => {
            const transfer = new DataTransfer();
            const content = await (await fetch("web/demo/scene.flac")).blob();
            transfer.items.add(new File([content], "dropped.flac"));
            return transfer;
        }"""
    )
    page.page.locator("#drop").dispatch_event("drop", {"dataTransfer": transfer})
    page.wait_for_results(1)
    expect(page.page.get_by_role("heading", name="dropped.flac")).to_be_visible()


def test_a_new_query_sends_no_audio_again(recorded: EarmarkPage) -> None:
    recorded.choose(SCENE).add("a dog barks").wait_for_results(1).add("a siren wails").wait_for_results(2)
    assert _sent_clips(recorded) == ["audio", "clip_id"]


def test_a_clip_that_is_gone_is_sent_again_without_a_word(recorded: EarmarkPage) -> None:
    recorded.choose(SCENE).add("a dog barks").wait_for_results(1)
    recorded.page.evaluate("window.forgetClips = true")
    recorded.add("a siren wails").wait_for_results(2)
    assert _sent_clips(recorded) == ["audio", "clip_id", "audio"]
    expect(recorded.page.locator("#problem")).to_be_hidden()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"not a recording" * 100, "accepted"), (b"", "empty"), (wav(0.0), "")],
    ids=["text", "empty", "no sound"],
)
def test_a_file_that_is_no_recording_is_explained(
    page: EarmarkPage, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    page.add("a dog barks").choose(tmp_path / "notes.txt")
    problem = page.page.get_by_role("alert").filter(has_text=words)
    expect(problem).to_be_visible()
    assert len(problem.inner_text()) > 40
    page.choose(SCENE)  # another recording is taken afterwards
    page.wait_for_results(1)
    expect(page.page.locator("#problem")).to_be_hidden()


def test_a_recording_that_the_browser_cannot_read_does_not_look_silent(page: EarmarkPage, tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(SCENE)
    soundfile.write(tmp_path / "scene.caf", samples, rate_hz, format="CAF")
    page.add("an alarm clock rings").choose(tmp_path / "scene.caf").wait_for_results(1)
    expect(page.lane("an alarm clock rings")).to_contain_text("heard twice")
    expect(page.page.locator("#no-waveform")).to_contain_text("This browser cannot read the sound of this file")
    expect(page.page.locator("#no-waveform")).to_be_visible()
    expect(page.page.get_by_text("This browser cannot play this recording.")).to_be_visible()
    expect(page.page.get_by_role("button", name="Play", exact=True)).to_be_disabled()
    expect(page.page.locator("#waveform")).to_be_hidden()
    page.choose(SCENE)  # what was said is taken back
    page.wait_for_results(1)
    expect(page.page.locator("#waveform")).to_be_visible()
    expect(page.page.locator("#no-waveform")).to_be_hidden()
    expect(page.page.locator("#unplayable")).to_be_hidden()


def test_a_query_that_is_refused_does_not_hold_up_the_others(new_page: NewPage) -> None:
    too_long = "bark " * 300
    page = new_page(f"/#q=a+dog+barks&q={quote(too_long)}&q=a+siren+wails")
    page.choose(SCENE).wait_for_results(2)
    expect(page.page.get_by_role("alert")).to_contain_text("EARMARK_MAX_QUERY_CHARS")
    expect(page.page.locator(".lane").nth(1)).to_contain_text("not searched")


def test_a_service_that_cannot_be_reached_is_explained_and_tried_again(page: EarmarkPage) -> None:
    page.page.route("**/localize", lambda route: route.abort())
    page.choose(SCENE).add("a dog barks")
    expect(page.page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.page.unroute("**/localize")
    page.page.get_by_role("button", name="Try again").click()
    page.wait_for_results(1)


def test_a_search_can_be_cancelled_and_tried_again(page: EarmarkPage) -> None:
    page.page.route("**/localize", lambda route: None)  # the service does not answer
    page.choose(SCENE).add("a dog barks")
    page.page.get_by_role("button", name="Cancel").click()
    expect(page.lane("a dog barks")).to_contain_text("not searched")
    expect(page.page.get_by_role("button", name="Cancel")).to_be_hidden()
    page.page.unroute("**/localize")
    page.page.get_by_role("button", name="Try again").click()
    page.wait_for_results(1)


def test_a_busy_service_is_asked_again(page: EarmarkPage) -> None:
    refusals = [429, 503]

    def refuse(route: Route) -> None:
        if not refusals:
            route.continue_()
            return
        body = '{"type": "/problems/too-busy", "title": "Busy", "detail": "later"}'
        route.fulfill(status=refusals.pop(), headers={"Retry-After": "1"}, body=body)

    page.page.route("**/localize", refuse)
    page.choose(SCENE).add("a dog barks").wait_for_results(1)
    assert refusals == []


def test_a_link_carries_queries_and_settings(new_page: NewPage) -> None:
    first = new_page()
    first.start_demo().set_slider("Threshold", 0.9)
    link = first.page.evaluate("location.hash")
    second = new_page(f"/{link}")
    assert second.chips() == first.chips()
    expect(second.page.locator("output").first).to_have_text("0.90")
    second.choose(SCENE).wait_for_results(4)
    first.select("a dog barks")
    second.select("a dog barks")
    assert second.segments() == first.segments()
