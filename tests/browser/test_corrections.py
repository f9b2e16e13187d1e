"""A person hears segments, corrects them, and saves them."""

import csv
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jams
import pytest
import srt
from playwright.sync_api import expect

from service.api.schemas import LocalizeOut
from tests.browser.earmark_page import SLOWEST, EarmarkPage, set_sound_rate

DURATION_S = 38.0
DOG = "a dog barks"
TIME_STEP_S = 0.15


@pytest.fixture
def demo(page: EarmarkPage) -> EarmarkPage:
    return page.start_demo().select(DOG)


def _drag(page: EarmarkPage, query: str, from_s: float, to_s: float) -> None:
    start, end = (page.x_of(query, seconds, DURATION_S) for seconds in (from_s, to_s))
    mouse = page.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move((start[0] + end[0]) / 2, start[1], steps=4)
    mouse.move(*end, steps=4)
    mouse.up()


def _saved(page: EarmarkPage, button: str, folder: Path) -> bytes:
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name=button, exact=True).click()
    path = folder / download.value.suggested_filename
    assert path.name.startswith("Demo recording.")
    download.value.save_as(path)
    return path.read_bytes()


def test_clicking_a_segment_plays_it_alone(demo: EarmarkPage) -> None:
    onset, offset = demo.segments()[0]
    set_sound_rate(demo.page, SLOWEST)
    demo.page.mouse.click(*demo.x_of(DOG, (onset + offset) / 2, DURATION_S))
    expect(demo.page.get_by_role("button", name="Pause")).to_be_visible()
    assert onset - TIME_STEP_S <= demo.time_s() <= offset + TIME_STEP_S
    set_sound_rate(demo.page, 0.25)
    expect(demo.page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert demo.time_s() == pytest.approx(offset, abs=1.0)  # it stops soon after the end, even on a busy machine
    expect(demo.page.locator("#segment-rows tr.selected")).to_have_count(1)


def test_the_playhead_stands_at_the_time_of_the_recording(demo: EarmarkPage) -> None:
    demo.page.mouse.click(*demo.x_of(DOG, 20.0, DURATION_S))
    expect(demo.page.locator("#time")).to_have_text("0:20.0")
    playhead = demo.page.locator("#playhead").bounding_box()
    assert playhead
    assert playhead["x"] == pytest.approx(demo.x_of(DOG, 20.0, DURATION_S)[0], abs=2)
    before = demo.time_s()
    demo.page.get_by_role("button", name="Play", exact=True).click()
    expect(demo.page.locator("#time")).not_to_have_text("0:20.0")
    demo.page.get_by_role("button", name="Pause").click()
    assert demo.time_s() > before


def test_dragging_an_edge_corrects_a_segment_and_can_be_undone(demo: EarmarkPage) -> None:
    before = demo.segments()
    onset, offset = before[-1]
    _drag(demo, DOG, offset, offset + 0.5)
    after = demo.segments()
    assert after == [*before[:-1], (onset, pytest.approx(offset + 0.5, abs=0.1))]
    expect(demo.lane(DOG)).to_contain_text("corrected")
    demo.set_slider("Threshold", 0.99)
    expect(demo.lane("a car horn honks")).to_contain_text("not heard")
    assert demo.segments() == after  # the sliders leave corrected segments alone
    demo.page.get_by_role("button", name="Undo").click()
    expect(demo.lane(DOG)).not_to_contain_text("corrected")
    demo.page.get_by_role("button", name="Reset").click()
    expect(demo.rows).to_have_count(len(before))
    assert demo.segments() == before


def test_an_edge_cannot_be_dragged_past_its_neighbour(demo: EarmarkPage) -> None:
    before = demo.segments()
    _drag(demo, DOG, before[0][1], 37.0)
    assert demo.segments()[0] == (before[0][0], before[1][0])


def test_a_wrong_segment_is_deleted(demo: EarmarkPage) -> None:
    before = demo.segments()
    demo.page.get_by_role("button", name="Delete segment 1").click()
    assert demo.segments() == before[1:]
    demo.page.get_by_role("button", name="Drop corrections").click()
    assert demo.segments() == before


Read = Callable[[bytes], list[tuple[float, float, str]]]


def _read_csv(content: bytes) -> list[tuple[float, float, str]]:
    rows = csv.DictReader(io.StringIO(content.decode()))
    return [(float(row["onset_s"]), float(row["offset_s"]), row["query"]) for row in rows]


def _read_json(content: bytes) -> list[tuple[float, float, str]]:
    answer = LocalizeOut.model_validate(json.loads(content))
    return [(each.onset_s, each.offset_s, result.query) for result in answer.results for each in result.segments]


def _read_ndjson(content: bytes) -> list[tuple[float, float, str]]:
    results = [json.loads(line) for line in content.decode().splitlines()]
    return [(each["onset_s"], each["offset_s"], result["query"]) for result in results for each in result["segments"]]


def _read_jams(content: bytes) -> list[tuple[float, float, str]]:
    annotations: Any = jams.load(io.StringIO(content.decode()), fmt="jams", strict=True).annotations
    return [
        (float(each.time), float(each.time + each.duration), str(each.value))
        for annotation in annotations
        for each in annotation.data
    ]


def _read_srt(content: bytes) -> list[tuple[float, float, str]]:
    subtitles = srt.parse(content.decode())
    return [(each.start.total_seconds(), each.end.total_seconds(), each.content) for each in subtitles]


def _read_audacity(content: bytes) -> list[tuple[float, float, str]]:
    rows = [line.split("\t") for line in content.decode().splitlines()]
    return [(float(onset), float(offset), query) for onset, offset, query in rows]


def _read_raven(content: bytes) -> list[tuple[float, float, str]]:
    rows = csv.DictReader(io.StringIO(content.decode()), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [(float(row["Begin Time (s)"]), float(row["End Time (s)"]), row["Annotation"]) for row in rows]


def _read_dcase(content: bytes) -> list[tuple[float, float, str]]:
    rows = csv.DictReader(io.StringIO(content.decode()), delimiter="\t")
    return [(float(row["onset"]), float(row["offset"]), row["event_label"]) for row in rows]


def _read_vtt(content: bytes) -> list[tuple[float, float, str]]:
    head, *cues = content.decode().strip().split("\n\n")
    assert head == "WEBVTT"
    timed = [cue.split("\n") for cue in cues]
    return [(*map(_cue_seconds, times.split(" --> ")), text) for _, times, text in timed]  # pyright: ignore


def _cue_seconds(time: str) -> float:
    hours, minutes, seconds = time.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


@pytest.mark.filterwarnings("ignore:Passing a schema to Validator:DeprecationWarning")  # in jams
@pytest.mark.parametrize(
    ("button", "read"),
    [
        ("CSV", _read_csv),
        ("JSON", _read_json),
        ("NDJSON", _read_ndjson),
        ("Audacity labels", _read_audacity),
        ("Raven table", _read_raven),
        ("WebVTT", _read_vtt),
        ("SubRip", _read_srt),
        ("DCASE table", _read_dcase),
        ("JAMS", _read_jams),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_format_holds_the_corrected_segments(demo: EarmarkPage, tmp_path: Path, button: str, read: Read) -> None:
    demo.page.get_by_role("button", name="Delete segment 1").click()
    shown: list[tuple[float, float, str]] = []
    for query in demo.chips():
        demo.select(query)
        expect(demo.rows.first).to_be_visible()
        shown += [(*edges, query) for edges in demo.segments()]
    assert len(shown) >= 4
    saved = sorted(read(_saved(demo, button, tmp_path)))
    assert [query for _, _, query in saved] == [query for _, _, query in sorted(shown)]
    for (onset, offset, _), (shown_onset, shown_offset, _) in zip(saved, sorted(shown), strict=True):
        assert (onset, offset) == (pytest.approx(shown_onset, abs=0.006), pytest.approx(shown_offset, abs=0.006))


def test_pictures_show_the_corrected_segments(demo: EarmarkPage, tmp_path: Path, pictures: Path) -> None:
    numbers: list[int] = []
    for query in reversed(demo.chips()):
        demo.select(query)
        expect(demo.rows.first).to_be_visible()
        numbers.append(demo.rows.count())
    demo.page.get_by_role("button", name="Delete segment 1").click()
    svg = _saved(demo, "Picture (SVG)", tmp_path)
    (pictures / "export.svg").write_bytes(svg)
    root = ElementTree.fromstring(svg)
    assert len(root.findall(".//{*}rect[@class='segment']")) == sum(numbers) - 1
    assert {text.text for text in root.findall(".//{*}text")} >= {"a siren wails", DOG, "Demo recording"}
    png = _saved(demo, "Picture (PNG)", tmp_path)
    (pictures / "export.png").write_bytes(png)
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG")
    assert (width, height) == (2 * int(root.attrib["width"]), 2 * int(root.attrib["height"]))
