"""A library is searched, its moments are heard, judged and saved."""

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Route, expect

from service.access.keys import ApiKey, hash_of
from service.access.keys_file import add_key
from service.core.manifest import PACKAGED_BUNDLE
from tests import patient_http
from tests.browser.conftest import NewPage
from tests.browser.earmark_page import SLOWEST, EarmarkPage, set_sound_rate
from tests.browser.library_page import LibraryPage, add_recording
from tests.browser.test_access import violations
from tests.browser.test_search import SCENE
from tests.clips import tones, wav
from tests.service_process import Service, run_service
from training.data.pack import read_pack_table

DOG, SIREN = "a dog barks", "a siren wails"
SITES = ("north", "south", "it's east", None)


def _cut(begin_s: float, end_s: float, form: str) -> bytes:
    samples, rate_hz = soundfile.read(SCENE)
    content = io.BytesIO()
    soundfile.write(content, samples[int(begin_s * rate_hz) : int(end_s * rate_hz)], rate_hz, format=form)
    return content.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a library of the demo recording and parts of it, whose audio may be heard."""
    folder = tmp_path_factory.mktemp("archive")
    settings = {"LIBRARY": str(folder / "library"), "LIBRARY_AUDIO": "1"}
    with run_service(PACKAGED_BUNDLE, folder, **settings) as service:
        add_recording(service, SCENE.read_bytes(), site="north", year=2024, author="Ada", licence="CC0-1.0")
        for index, (begin_s, form) in enumerate([(2, "WAV"), (1, "OGG"), (0.5, "FLAC")]):
            content = _cut(begin_s, 12, form)
            site = SITES[index + 1]
            add_recording(service, content, **({"site": site} if site else {}), year=2025)
        yield service


@pytest.fixture
def library(new_page: NewPage, archive: Service) -> LibraryPage:
    return LibraryPage(new_page(url=archive.url).page).open()


def found(service: Service, **members: object) -> list[dict[str, Any]]:
    answer = patient_http.post(f"{service.url}/search", json=members)
    return answer.raise_for_status().json()["moments"]


def times(moments: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(pytest.approx(each["onset_s"], abs=0.051), pytest.approx(each["offset_s"], abs=0.051)) for each in moments]


def test_without_a_library_nothing_is_offered(new_page: NewPage) -> None:
    page = new_page().page
    expect(page.locator("#model")).not_to_be_empty()
    expect(page.get_by_role("button", name="Library", exact=True)).to_be_hidden()


def test_the_moments_are_those_of_the_service_and_are_drawn(
    library: LibraryPage, archive: Service, pictures: Path
) -> None:
    expect(library.page.locator("#library-size")).to_contain_text("in 4 recordings.")
    library.search(DOG)
    moments = found(archive, query=DOG)
    expect(library.rows).to_have_count(len(moments))
    assert library.moments() == times(moments)
    assert library.page.locator(".moment-score").all_text_contents() == [f"{each['score']:.2f}" for each in moments]
    expect(library.page.locator("#library-summary")).to_contain_text("moments in 4 recordings of 1 minute")
    expect(library.rows.first).to_contain_text("site ")
    for index in range(len(moments)):
        library.rows.nth(index).scroll_into_view_if_needed()
        expect(library.button(index, "Play")).to_be_enabled()
    drawn = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"
    )
    assert all(canvas.evaluate(drawn) for canvas in library.page.locator(".moment-canvas").all())
    EarmarkPage(library.page).photograph(pictures / "library.png")


def test_a_moment_is_heard_alone(library: LibraryPage) -> None:
    library.search(DOG)
    onset, offset = library.moments()[0]
    set_sound_rate(library.page, SLOWEST)
    library.button(0, "Play").click()
    expect(library.button(0, "Stop")).to_be_visible()
    set_sound_rate(library.page, 1)
    expect(library.button(0, "Play")).to_be_visible()  # it stops at the end of the moment
    (duration,) = library.page.evaluate("window.heard")
    assert duration == pytest.approx(offset - onset, abs=0.11)
    set_sound_rate(library.page, SLOWEST)
    library.page.locator(".moment-canvas").nth(1).click()
    expect(library.button(1, "Stop")).to_be_visible()
    library.button(1, "Stop").click()
    expect(library.button(1, "Play")).to_be_visible()
    assert len(library.page.evaluate("window.heard")) == 1


def test_a_recording_that_the_browser_cannot_read_says_so(library: LibraryPage) -> None:
    library.page.route("**/audio", lambda route: route.fulfill(status=404))
    library.search(DOG)
    expect(library.rows.first).to_contain_text("cannot be played")
    expect(library.button(0, "Play")).to_be_disabled()


def test_verdicts_refine_the_search(library: LibraryPage, archive: Service) -> None:
    library.search(DOG)
    before = found(archive, query=DOG)
    library.judge(0, "Reject")
    expect(library.page.get_by_role("button", name="Refine the search")).to_be_disabled()
    library.judge(1, "Accept").judge(2, "Accept").judge(2, "Reject")
    expect(library.button(2, "Accept")).to_have_attribute("aria-pressed", "false")
    library.button(2, "Reject").click()  # the same verdict again takes it back
    expect(library.page.locator("#refine-text")).to_have_text("1 accepted, 1 rejected.")
    library.page.get_by_role("button", name="Refine the search").click()
    library.wait()
    like, unlike = (f"{m['recording']['id']}@{m['onset_s']:.6f}-{m['offset_s']:.6f}" for m in (before[1], before[0]))
    expected = found(archive, query=DOG, like=like, unlike=unlike)
    expect(library.rows).to_have_count(len(expected))
    assert library.moments() == times(expected)
    expect(library.page.locator("#library-examples-text")).to_contain_text("unlike 1 rejected moment")
    library.page.get_by_role("button", name="Without examples").click()
    library.wait()
    expect(library.rows).to_have_count(len(before))


def test_verdicts_on_one_sound_are_no_examples_of_another(library: LibraryPage) -> None:
    library.search(DOG).judge(0, "Accept").search(SIREN)
    expect(library.page.locator("#refine-bar")).to_be_hidden()
    expect(library.page.locator("#accepted-count")).to_have_text("1 accepted moment")
    library.search(DOG)
    expect(library.button(0, "Accept")).to_have_attribute("aria-pressed", "true")


def test_more_like_this_searches_by_example(library: LibraryPage, archive: Service) -> None:
    library.search(DOG)
    moment = found(archive, query=DOG)[1]
    library.button(1, "More like this").click()
    expect(library.page.locator("#library-examples-text")).to_contain_text("like Recording")
    library.wait()
    example = f"{moment['recording']['id']}@{moment['onset_s']:.6f}-{moment['offset_s']:.6f}"
    expected = found(archive, like=example)
    expect(library.rows).to_have_count(len(expected))
    assert library.moments() == times(expected)


def test_filters_narrow_the_search(library: LibraryPage, archive: Service) -> None:
    library.search(DOG)
    library.open_filters()
    everything = len(found(archive, query=DOG))
    filters = {
        ("site", "it's east"): "site = 'it''s east'",
        ("site", "no value"): "site IS NULL",
        ("year", "2024"): "year = 2024",
    }
    for (column, name), where in filters.items():
        box = library.page.get_by_role("group", name=column, exact=True).get_by_role("checkbox", name=name)
        box.check()
        library.wait()
        expected = found(archive, query=DOG, where=where)
        expect(library.rows).to_have_count(len(expected))
        assert library.moments() == times(expected)
        expect(library.page.locator("#filter-count")).to_have_text(" (1 chosen)")
        box.uncheck()
        library.wait()
        expect(library.rows).to_have_count(everything)
    where = "duration_s > 30 AND site = 'north'"
    expected = found(archive, query=DOG, where=where)
    assert 0 < len(expected) < everything
    library.search(DOG, where)
    expect(library.rows).to_have_count(len(expected))


def test_a_condition_that_is_not_understood_is_explained_and_can_be_corrected(library: LibraryPage) -> None:
    library.search(DOG, "zone = 1")
    expect(library.problem).to_contain_text("zone")
    library.search(DOG, "")
    expect(library.problem).to_be_hidden()
    expect(library.rows).not_to_have_count(0)


def test_more_moments_are_appended(library: LibraryPage, archive: Service) -> None:
    everything = len(found(archive, query=DOG))
    assert everything > 4

    def shorten(route: Route) -> None:
        route.continue_(post_data=route.request.post_data_json | {"limit": 2})

    library.page.route("**/search", shorten)
    library.search(DOG)
    expect(library.rows).to_have_count(2)
    first = library.moments()
    library.judge(0, "Accept")
    for number in range(4, everything + 2, 2):
        library.page.get_by_role("button", name="Show more").click()
        expect(library.rows).to_have_count(min(number, everything))
    assert library.moments()[:2] == first
    assert len(set(zip(library.names(), library.moments(), strict=True))) == everything
    expect(library.page.get_by_role("button", name="Show more")).to_be_hidden()
    expect(library.button(0, "Accept")).to_have_attribute("aria-pressed", "true")


def test_nothing_heard_says_how_much_was_searched(library: LibraryPage) -> None:
    library.search("an organ plays in a church")
    expect(library.page.locator("#library-summary")).to_contain_text("Not heard in 4 recordings")
    expect(library.page.locator("#live")).to_contain_text("Not heard in 4 recordings")


def test_a_search_can_be_cancelled_and_a_failed_one_tried_again(library: LibraryPage) -> None:
    library.page.route("**/search", lambda route: None)  # the service does not answer
    library.page.get_by_role("textbox", name="Describe a sound in the library").fill(DOG)
    library.page.keyboard.press("Enter")
    expect(library.page.get_by_text("Searching…")).to_be_visible()
    library.page.get_by_role("button", name="Cancel").last.click()
    expect(library.problem).to_contain_text("cancelled")
    library.page.unroute("**/search")
    library.page.route("**/search", lambda route: route.abort())
    library.page.locator("#library-retry").click()
    expect(library.problem).to_contain_text("cannot be reached")
    library.page.unroute("**/search")
    library.page.locator("#library-retry").click()
    expect(library.rows).not_to_have_count(0)
    expect(library.problem).to_be_hidden()


def test_accepted_moments_become_a_pack_that_training_reads(library: LibraryPage, tmp_path: Path) -> None:
    library.search(DOG).judge(0, "Accept").judge(2, "Accept").judge(3, "Reject").judge(4, "Accept")
    kept = [library.moments()[index] for index in (0, 2, 4)]
    library.search(SIREN).judge(0, "Accept")
    kept.append(library.moments()[0])
    with zipfile.ZipFile(library.save("Data set pack (ZIP)", tmp_path)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "pack")
    rows = read_pack_table(tmp_path / "pack")
    assert [row.label for row in rows] == [DOG, DOG, DOG, SIREN]
    assert {row.split for row in rows} <= {"train", "val"}
    assert ("Ada", "CC0-1.0") in {(row.author, row.licence) for row in rows}
    for row, (onset, offset) in zip(rows, kept, strict=True):
        samples, rate_hz = soundfile.read(row.path)
        assert len(samples) / rate_hz == pytest.approx(offset - onset, abs=0.11)
        assert samples.ndim == 1
        assert np.abs(samples).max() > 0.01
    expect(library.page.locator("#pack-result")).to_contain_text("4 moments")


def test_the_audio_of_a_pack_is_the_sound_of_the_moment(library: LibraryPage, archive: Service, tmp_path: Path) -> None:
    library.search(DOG, "site = 'north'").judge(0, "Accept")
    (moment, *_) = found(archive, query=DOG, where="site = 'north'")
    with zipfile.ZipFile(library.save("Data set pack (ZIP)", tmp_path)) as pack:
        (name,) = [name for name in pack.namelist() if name.endswith(".wav")]
        samples, rate_hz = soundfile.read(io.BytesIO(pack.read(name)))
    whole, whole_rate_hz = soundfile.read(SCENE)
    begin = round(moment["onset_s"] * whole_rate_hz)
    assert rate_hz == whole_rate_hz
    np.testing.assert_allclose(samples, whole[begin : begin + len(samples)], atol=1e-3)


def test_accepted_moments_are_saved_as_annotations(library: LibraryPage, archive: Service, tmp_path: Path) -> None:
    library.search(DOG).judge(0, "Accept").judge(1, "Accept")
    moments = found(archive, query=DOG)[:2]
    rows = list(csv.DictReader(io.StringIO(library.save("CSV", tmp_path).read_text())))
    values = [(row["id"], row["query"], float(row["onset_s"]), float(row["score"])) for row in rows]
    assert values == [(each["recording"]["id"], DOG, each["onset_s"], each["score"]) for each in moments]
    with zipfile.ZipFile(library.save("Audacity labels", tmp_path)) as tracks:
        texts = [tracks.read(name).decode() for name in tracks.namelist()]
    assert [text.strip().split("\t")[2] for text in texts] == [DOG, DOG]
    library.judge_back(1, "Accept")
    assert library.save("Audacity labels", tmp_path).read_text().count("\n") == 1
    library.page.get_by_role("button", name="Forget all verdicts").click()
    expect(library.page.locator("#library-export")).to_be_hidden()


def test_a_link_carries_the_search(new_page: NewPage, library: LibraryPage, archive: Service) -> None:
    library.search(DOG, "year = 2025")
    link = library.page.evaluate("location.hash")
    other = LibraryPage(new_page(f"/{link}", url=archive.url).page).wait()
    expect(other.rows).to_have_count(library.rows.count())
    assert other.moments() == library.moments()
    other.page.get_by_role("button", name="Recording", exact=True).click()
    expect(other.page.get_by_role("heading", name="Hear when it happens")).to_be_visible()
    assert "library" not in other.page.evaluate("location.hash")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_rule_of_accessibility_is_broken(
    new_page: NewPage, archive: Service, pictures: Path, theme: str, width: int
) -> None:
    page = new_page(url=archive.url, color_scheme=theme, viewport={"width": width, "height": 900})
    library = LibraryPage(page.page).open()
    library.search(DOG).judge(0, "Accept").judge(1, "Reject").open_filters()
    expect(library.page.get_by_role("checkbox", name="it's east")).to_be_visible()
    expect(library.button(0, "Play")).to_be_enabled()
    page.photograph(pictures / f"library-{theme}-{width}.png")
    assert violations(page) == []
    library.search(DOG, "zone = 1")
    assert violations(page) == []


def test_everything_can_be_done_with_the_keyboard(library: LibraryPage) -> None:
    set_sound_rate(library.page, SLOWEST)
    library.page.keyboard.type(DOG)  # the field has the focus
    library.page.keyboard.press("Enter")
    library.wait()
    for name, effect in (
        ("Play", lambda: expect(library.page.locator(".moment.playing")).to_have_count(1)),
        ("Accept", lambda: expect(library.page.locator("#refine-text")).to_contain_text("1 accepted")),
        ("More like this", lambda: expect(library.page.locator("#library-examples")).to_be_visible()),
    ):
        library.button(0, name).focus()
        library.page.keyboard.press("Enter")
        effect()


def test_an_empty_library_and_one_that_may_not_be_heard_say_so(
    new_page: NewPage, tiny_bundle: Path, tmp_path: Path
) -> None:
    with run_service(tiny_bundle, tmp_path, LIBRARY=str(tmp_path / "library")) as service:
        library = LibraryPage(new_page(url=service.url).page).open()
        expect(library.page.locator("#library-empty")).to_contain_text("earmark index")
        expect(library.page.locator("#library-silent")).to_contain_text("EARMARK_LIBRARY_AUDIO")
        add_recording(service, wav(tones([("low", 0.4, 0.8)], 2.0)))
        library.page.reload()
        library.open().search("low")
        expect(library.rows).to_have_count(1)
        expect(library.button(0, "Play")).to_have_count(0)
        library.judge(0, "Accept")
        expect(library.page.get_by_role("button", name="Data set pack (ZIP)")).to_be_disabled()
        expect(library.page.locator("#pack-note")).to_contain_text("EARMARK_LIBRARY_AUDIO")
        expect(library.page.get_by_role("button", name="CSV", exact=True).last).to_be_enabled()


def test_a_library_with_keys_is_searched_and_heard_with_a_key(
    new_page: NewPage, tiny_bundle: Path, tmp_path: Path
) -> None:
    keys_file = tmp_path / "keys.toml"
    add_key(keys_file, ApiKey("browser", hash_of(b"good-key")))
    settings = {"KEYS_FILE": str(keys_file), "LIBRARY": str(tmp_path / "library"), "LIBRARY_AUDIO": "1"}
    with run_service(tiny_bundle, tmp_path, **settings) as service:
        files = {"audio": ("x", wav(tones([("low", 0.4, 0.8)], 2.0)))}
        headers = {"Authorization": "Bearer good-key"}
        patient_http.post(f"{service.url}/library/clips", files=files, headers=headers).raise_for_status()
        library = LibraryPage(new_page("/#view=library&q=low", url=service.url).page)
        dialog = library.page.get_by_role("dialog")
        dialog.get_by_label("Key", exact=True).fill("good-key")
        dialog.get_by_role("button", name="Continue").click()
        expect(library.rows).to_have_count(1)
        set_sound_rate(library.page, SLOWEST)
        library.button(0, "Play").click()
        expect(library.button(0, "Stop")).to_be_visible()
        library.page.evaluate("sessionStorage.clear()")
        library.page.get_by_role("button", name="Search", exact=True).click()
        expect(dialog).to_contain_text("asks for a key")
