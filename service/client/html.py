"""The view of a localization in notebooks: a table in HTML, with the curve and the segments of each query in SVG."""

from collections.abc import Sequence
from html import escape

import numpy as np

from service.client.values import Clip, QueryResult

_WIDTH, _HEIGHT = 600, 36
_MAX_SEGMENTS = 8
_COLOUR = "#1f77b4"


def html_of(heading: str, clip: Clip, results: Sequence[QueryResult]) -> str:
    """Renders the results about a clip as HTML. All texts are escaped."""
    rows = "".join(_row(result, clip.duration_s) for result in results)
    warnings = "".join(f"<li>{escape(warning.message)}</li>" for warning in clip.warnings)
    return (
        f"<p>{escape(heading)}</p>"
        "<table><thead><tr><th>query</th><th>present</th><th>score</th><th>when</th><th>segments</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>" + (f"<ul>{warnings}</ul>" if warnings else "")
    )


def _row(result: QueryResult, duration_s: float) -> str:
    times = [f"{segment.onset_s:.2f}–{segment.offset_s:.2f} s" for segment in result.segments[:_MAX_SEGMENTS]]
    if len(result.segments) > _MAX_SEGMENTS:
        times.append(f"and {len(result.segments) - _MAX_SEGMENTS} more")
    notes = "".join(f"<br><small>{escape(warning.message)}</small>" for warning in result.warnings)
    cells = (
        escape(result.query) + notes,
        "yes" if result.present else "no",
        f"{result.clip_score:.2f}",
        _picture(result, duration_s),
        "<br>".join(times) or "-",
    )
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"


def _picture(result: QueryResult, duration_s: float) -> str:
    scale = _WIDTH / max(duration_s, 1e-9)
    bands = "".join(
        f'<rect x="{segment.onset_s * scale:.1f}" y="0" width="{max(1.0, segment.duration_s * scale):.1f}" '
        f'height="{_HEIGHT}" fill="{_COLOUR}" fill-opacity="0.25"/>'
        for segment in result.segments
    )
    curve = ""
    if result.score is not None and len(result.score):
        peaks = [part.max() for part in np.array_split(result.score, min(_WIDTH, len(result.score)))]
        step = _WIDTH / len(peaks)
        points = " ".join(f"{(i + 0.5) * step:.1f},{_HEIGHT * (1 - peak):.1f}" for i, peak in enumerate(peaks))
        curve = f'<polyline points="{points}" fill="none" stroke="{_COLOUR}"/>'
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Score over time: {escape(result.query)}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>{bands}{curve}</svg>'
    )
