"""Plot of an answer: the waveform, and below it the score curve of each query with its segments."""

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import ParameterInvalid
from service.core.localization import QueryResult
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.start_errors import PlotUnavailable
from service.engine.containers import identify
from service.engine.decoding import decode
from service.engine.interface import Localization

Float32 = NDArray[np.float32]

_FORMATS = (".png", ".svg", ".pdf")
_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)  # Okabe and Ito: distinguishable with colour blindness
_GREY = "#8a8f98"
_WIDTH_IN, _WAVEFORM_IN, _QUERY_IN, _DPI = 11.0, 1.5, 1.1, 150
_ENVELOPE_POINTS = 2_000
_MARGIN_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """Outline of a waveform: extreme samples of equally long blocks.

    Attributes:
        lowest: Lowest sample of each block, shape (P,).
        highest: Highest sample of each block, shape (P,).
        block_s: Duration of a block, in seconds.
    """

    lowest: Float32
    highest: Float32
    block_s: float


def check_can_plot(path: Path) -> None:
    """Checks that a picture can be drawn, before any work is done.

    Raises:
        ParameterInvalid: If the name of the file does not end with .png, .svg or .pdf.
        PlotUnavailable: If matplotlib is not installed.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ParameterInvalid("--plot", str(path), f"a name that ends with {', '.join(_FORMATS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotUnavailable


def read_envelope(clip: BinaryIO, sample_rate_hz: int, duration_s: float) -> Envelope:
    """Decodes a clip again, and keeps only its outline.

    Args:
        clip: The clip, which the engine has decoded before.
        sample_rate_hz: Sample rate to decode to.
        duration_s: Duration of the clip, in seconds.
    """
    block_samples = max(1, round(duration_s * sample_rate_hz / _ENVELOPE_POINTS))
    lowest: list[Float32] = []
    highest: list[Float32] = []
    rest = np.zeros(0, np.float32)
    for decoded in decode(clip, identify(clip), sample_rate_hz, duration_s + _MARGIN_S):
        samples = np.concatenate([rest, decoded])
        n_whole = len(samples) // block_samples * block_samples
        blocks = samples[:n_whole].reshape(-1, block_samples)  # (P, block_samples)
        lowest.append(blocks.min(axis=1))
        highest.append(blocks.max(axis=1))
        rest = samples[n_whole:]
    if len(rest):
        lowest.append(rest.min(keepdims=True))
        highest.append(rest.max(keepdims=True))
    return Envelope(np.concatenate(lowest), np.concatenate(highest), block_samples / sample_rate_hz)


def draw(
    path: Path,
    name: str,
    localization: Localization,
    manifest: Manifest,
    postprocessing: Postprocessing,
    waveform: Envelope,
) -> None:
    """Draws an answer into a file.

    Args:
        path: File of the picture, .png, .svg or .pdf.
        name: Name of the clip, for the title.
        localization: The answer.
        manifest: Manifest of the model that gave the answer.
        postprocessing: Post-processing of the answer.
        waveform: Outline of the clip.
    """
    from matplotlib.figure import Figure  # an optional dependency, and slow to import

    n_queries = len(localization.results)
    figure: Any = Figure(figsize=(_WIDTH_IN, _WAVEFORM_IN + _QUERY_IN * n_queries), dpi=_DPI, layout="constrained")
    panels: Any = figure.subplots(
        n_queries + 1, 1, sharex=True, squeeze=False, height_ratios=[_WAVEFORM_IN] + [_QUERY_IN] * n_queries
    )[:, 0]
    _draw_waveform(panels[0], waveform)
    title = f"{name}  ·  {manifest.name} {manifest.version}"
    panels[0].set_title(title, loc="left", fontsize=10, color="#30343b", parse_math=False)
    edges = manifest.grid.edges(len(localization.results[0].score), localization.duration_s)  # (T + 1,)
    for index, (panel, result) in enumerate(zip(panels[1:], localization.results, strict=True)):
        _draw_query(panel, result, edges, postprocessing, _COLOURS[index % len(_COLOURS)])
    panels[-1].set_xlabel("seconds")
    panels[-1].set_xlim(0, localization.duration_s)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # such a character is drawn as a box
        figure.savefig(path)


def _draw_waveform(panel: Any, waveform: Envelope) -> None:
    time_s = np.arange(len(waveform.lowest)) * waveform.block_s
    panel.fill_between(time_s, waveform.lowest, waveform.highest, color=_GREY, linewidth=0.3)
    loudest = max(1e-3, float(np.max(np.abs([waveform.lowest, waveform.highest]))))
    panel.set_ylim(-1.05 * loudest, 1.05 * loudest)
    panel.set_yticks([])
    _strip(panel)


def _draw_query(
    panel: Any, result: QueryResult, edges: NDArray[np.float64], postprocessing: Postprocessing, colour: str
) -> None:
    panel.axhline(postprocessing.threshold, color=_GREY, linewidth=0.7, linestyle=(0, (4, 3)))
    panel.stairs(result.score, edges, baseline=0, fill=True, color=colour, alpha=0.25)
    panel.stairs(result.score, edges, baseline=None, color=colour, linewidth=1.1)
    for segment in result.segments:
        panel.axvspan(segment.onset_s, segment.offset_s, color=colour, alpha=0.12, linewidth=0)
        panel.plot(
            [segment.onset_s, segment.offset_s], [1.06, 1.06], color=colour, linewidth=3.5, solid_capstyle="butt"
        )
    title = " ".join(result.query.split()) + ("" if result.present else "  (not heard)")
    panel.set_title(title, loc="left", fontsize=9, color=colour, pad=3, parse_math=False)  # a $ is a $
    panel.set_ylim(0, 1.12)
    panel.set_yticks([0, 0.5, 1])
    panel.tick_params(labelsize=8)
    _strip(panel)


def _strip(panel: Any) -> None:
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
