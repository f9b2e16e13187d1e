"""The report that a finished training run leaves in its folder: `report.md` with figures, pictures of them, and a few clips."""

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.pictures import (
    plot_alarms,
    plot_labels,
    plot_reliability,
    plot_training_curves,
    read_training_curves,
)
from training.evaluation.report import as_text
from training.evaluation.validation import Validation
from training.model import LanguageAudioModel
from training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

logger = logging.getLogger(__name__)
REPORT = "report.md"
N_PLOTS = 4
"""Number of clips that are plotted: the first clips that have an event."""


def write_report(out: Path, recipe: Recipe, validation: Validation, model: LanguageAudioModel) -> Path:
    """Writes `report.md` and its plots into a run's folder. Without matplotlib, no plots are written.

    Returns:
        Path of the report.
    """
    report = validation.report(model)
    lines = [f"# {recipe.name} {recipe.version}", "", "```", as_text(report).rstrip(), "```", ""]
    if importlib.util.find_spec("matplotlib"):
        for name in plot_figures(out, report["localization"]):
            lines += [f"![{name}]({name}.png)", ""]
        localizer, evaluation_set = validation.localizer(model), validation.evaluation_set
        for number, clip in enumerate([clip for clip in evaluation_set.clips if clip.events][:N_PLOTS]):
            name = f"report_{number}.png"
            plot_clip(out / name, localizer, clip, evaluation_set)
            lines += [f"![{clip.name}]({name})", ""]
    else:
        logger.warning("no plots in %s: install the extra `plot`", REPORT)
    (out / REPORT).write_text("\n".join(lines), encoding="utf-8")
    return out / REPORT


def plot_figures(out: Path, localization: Mapping[str, Any]) -> list[str]:
    """Writes the pictures of the training and of the figures into a run's folder.

    Args:
        out: Folder of the run, with its scalars for TensorBoard.
        localization: The section of the evaluation's report.

    Returns:
        Names of the PNG files, without their ending.
    """
    default = localization["settings"]["default"]
    curves = read_training_curves(out)
    if curves:
        plot_training_curves(out / "training_curves.png", curves)
    plot_reliability(out / "reliability.png", default["reliability"])
    plot_alarms(out / "false_alarms.png", localization["false_alarms"]["curve"])
    plot_labels(out / "labels.png", default["labels"])
    return [*(["training_curves"] if curves else []), "reliability", "false_alarms", "labels"]


def plot_clip(file: Path, localizer: Localizer, clip: EvaluationClip, evaluation_set: EvaluationSet) -> None:
    """Plots a clip: for each of the set's labels that occurs in it, the score over time and the true events.

    Args:
        file: Path of the PNG file to write.
        localizer: Model to plot the scores of.
        clip: The clip.
        evaluation_set: The set that the clip belongs to; the first query of each label is plotted.
    """
    from matplotlib.figure import Figure

    event_labels = {label for label, _, _ in clip.events}
    labels_and_queries = zip(evaluation_set.labels, evaluation_set.queries, strict=True)
    plotted = [(label, label_queries[0]) for label, label_queries in labels_and_queries if label in event_labels]
    waveform = clip.waveform(localizer.grid.sample_rate_hz)
    queries = [query for _, query in plotted]
    curves = (
        localizer.scores(waveform, queries, localizer.postprocessing.median_filter_s)
        if queries
        else np.empty((0, 0), np.float32)
    )
    figure = Figure(figsize=(9, 1.2 + 1.4 * len(plotted)), layout="constrained")
    figure.suptitle(clip.name)
    for row, ((label, query), curve) in enumerate(zip(plotted, curves, strict=True), start=1):
        axes = figure.add_subplot(len(plotted), 1, row)
        edges_s = localizer.grid.edges(len(curve), localizer.grid.duration_s(len(waveform)))
        _plot_curve(axes, query, curve, edges_s, [event[1:] for event in clip.events if event[0] == label])
    figure.savefig(file)


def _plot_curve(
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
