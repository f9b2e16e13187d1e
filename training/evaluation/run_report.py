"""What stands in a run's folder when it has ended: `report.md` with figures and labels, and pictures of a few clips."""

import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.evaluation.evaluation_set import EvaluationClip
from training.evaluation.localizers import CheckpointLocalizer
from training.evaluation.report import as_text
from training.evaluation.validation import Validation
from training.model import LanguageAudioModel
from training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

logger = logging.getLogger(__name__)
REPORT = "report.md"
PICTURES = 4


def write_report(out: Path, recipe: Recipe, validation: Validation, model: LanguageAudioModel) -> Path:
    """Writes the report and its pictures (without matplotlib, none); returns its path."""
    lines = [f"# {recipe.name} {recipe.version}", "", "```", as_text(validation.report(model)).rstrip(), "```", ""]
    if importlib.util.find_spec("matplotlib"):
        localizer = validation.localizer(model)
        for number, clip in enumerate([clip for clip in validation.clips.clips if clip.events][:PICTURES]):
            name = f"report_{number}.png"
            draw_clip(out / name, localizer, clip, validation.clips.labels, validation.clips.queries)
            lines += [f"![{clip.name}]({name})", ""]
    else:
        logger.warning("no pictures in %s: they need the extra `plot`", REPORT)
    (out / REPORT).write_text("\n".join(lines), encoding="utf-8")
    return out / REPORT


def draw_clip(
    file: Path,
    localizer: CheckpointLocalizer,
    clip: EvaluationClip,
    labels: Sequence[str],
    queries: Sequence[Sequence[str]],
) -> None:
    """A picture of a clip: for each label heard in it that is asked for, the score over time and when it is heard."""
    from matplotlib.figure import Figure

    heard = [label for label in labels if label in {event[0] for event in clip.events}]
    asked = [queries[labels.index(label)][0] for label in heard]
    waveform = clip.waveform(localizer.grid.sample_rate_hz)
    scores = (
        localizer.scores(waveform, asked, localizer.postprocessing.median_filter_s)
        if asked
        else np.empty((0, 0), np.float32)
    )
    figure = Figure(figsize=(9, 1.2 + 1.4 * len(heard)), layout="constrained")
    figure.suptitle(clip.name)
    for row, (label, query, curve) in enumerate(zip(heard, asked, scores, strict=True), start=1):
        axes = figure.add_subplot(len(heard), 1, row)
        edges_s = localizer.grid.edges(len(curve), localizer.grid.duration_s(len(waveform)))
        _draw_curve(axes, query, curve, edges_s, [event[1:] for event in clip.events if event[0] == label])
    figure.savefig(file)


def _draw_curve(
    axes: "Axes",
    query: str,
    curve: NDArray[np.float32],
    edges_s: NDArray[np.float64],
    events: Sequence[tuple[float, float]],
) -> None:
    axes.stairs(curve, edges_s)
    for onset_s, offset_s in events:
        axes.axvspan(onset_s, offset_s, alpha=0.2, color="tab:green")
    axes.set(title=query, ylim=(0, 1), xlim=(0, edges_s[-1]), ylabel="score", xlabel="s")
