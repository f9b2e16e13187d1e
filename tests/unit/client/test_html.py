from html.parser import HTMLParser

import numpy as np

from service.client.html import html_of
from service.client.values import AnswerWarning, Clip, QueryResult, Segment

EVIL = "<script>alert('&')</script>"
SEGMENT = Segment("rain", 0.04, 0.12, 0.9, 0.06)


class Checker(HTMLParser):
    """Checks that every tag is closed, and counts the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(html: str) -> list[str]:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker.tags


def test_texts_are_escaped_and_tags_are_closed() -> None:
    clip = Clip("id", 0.15, False, (AnswerWarning("clipped", EVIL),))
    result = QueryResult(
        EVIL, True, 0.9, (SEGMENT,), np.array([0.1, 0.9], np.float32), None, (AnswerWarning("c", EVIL),)
    )
    html = html_of(EVIL, clip, [result])
    assert "script" not in tags_of(html)
    assert html.count("&lt;script&gt;") == 5
    assert "0.04–0.12 s" in html


def test_a_long_curve_is_drawn_by_its_peaks() -> None:
    score = np.zeros(90_000, np.float32)
    score[45_000] = 1.0
    html = html_of("an hour", Clip("id", 3600.0, False), [QueryResult("rain", True, 1.0, (), score)])
    points = html.partition('points="')[2].partition('"')[0].split()
    assert len(points) == 600
    assert [point for point in points if point.endswith(",0.0")] == ["300.5,0.0"]


def test_many_segments_are_counted_and_a_clip_without_curves_is_shown() -> None:
    result = QueryResult("rain", True, 1.0, (SEGMENT,) * 20)
    html = html_of("clip", Clip("id", 0.0, False), [result, QueryResult("snow", False, 0.0, ())])
    assert "and 12 more" in html
    assert tags_of(html).count("svg") == 2
