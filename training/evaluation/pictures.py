"""Pictures of a run's report: training curves, reliability of the scores, false alarms, and the figures of every label."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_POINTS = 2000
"""Largest number of points of a training curve that are read; of more, some are drawn at random."""
COLUMNS = 3
"""Number of training curves beside one another."""


def read_training_curves(folder: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of each scalar that a run wrote for TensorBoard, by name; later values of a step replace earlier ones."""
    accumulator = EventAccumulator(str(folder), {SCALARS: MAX_POINTS})
    accumulator.Reload()
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for name in sorted(accumulator.Tags()[SCALARS]):
        values = {event.step: event.value for event in accumulator.Scalars(name)}
        curves[name] = list(values), list(values.values())
    return curves


def plot_training_curves(file: Path, curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> None:
    """Plots each scalar of a run over its steps."""
    rows = -(-len(curves) // COLUMNS)
    figure = _figure(9, 0.3 + 2.2 * rows)
    for place, (name, (steps, values)) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(rows, COLUMNS, place)
        axes.plot(steps, values, linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.savefig(file)


def plot_reliability(file: Path, bins: Sequence[Mapping[str, float]]) -> None:
    """Plots the observed frequency of the frames of each bin over their mean score; calibrated scores lie on the diagonal.

    Args:
        file: Path of the PNG file to write.
        bins: `score`, `frequency` and `frames` of each bin with frames, as in the report of an evaluation.
    """
    figure = _figure(4.5, 4.5)
    axes = figure.add_subplot(1, 1, 1)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot([b["score"] for b in bins], [b["frequency"] for b in bins], marker="o", markersize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of frames in an event", title="Reliability")
    figure.savefig(file)


def plot_alarms(file: Path, points: Sequence[Mapping[str, float | None]]) -> None:
    """Plots the share of events found over the false alarms per hour and query, from the points of an evaluation's report."""
    figure = _figure(5.5, 4)
    axes = figure.add_subplot(1, 1, 1)
    known = [(point["alarms_per_hour"], point["found"]) for point in points if point["found"] is not None]
    axes.semilogx([x or 0.0 for x, _ in known], [y or 0.0 for _, y in known], marker="o", markersize=4)
    axes.set(ylim=(0, 1), xlabel="false alarms per hour and query", ylabel="events found", title="False alarms")
    figure.savefig(file)


def plot_labels(file: Path, labels: Mapping[str, Mapping[str, Any]], name: str = "psds1") -> None:
    """Plots a figure of each label with its interval, from the lowest value upwards; labels without a value are left out."""
    rows = sorted(
        ((f[name]["value"], label) for label, f in labels.items() if f[name]["value"] is not None), reverse=True
    )
    figure = _figure(7, 0.8 + 0.17 * max(1, len(rows)))
    axes = figure.add_subplot(1, 1, 1)
    values = [value for value, _ in rows]
    low, high = ([labels[label][name][end] for _, label in rows] for end in ("low", "high"))
    # an interval that is corrected for bias need not hold its value
    errors = [
        [max(0.0, v - (v if bound is None else bound)) for v, bound in zip(values, low, strict=True)],
        [max(0.0, (v if bound is None else bound) - v) for v, bound in zip(values, high, strict=True)],
    ]
    axes.barh([label for _, label in rows], values, xerr=errors, error_kw={"elinewidth": 0.8, "ecolor": "0.4"})
    axes.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4), xlabel=name, title="Labels")
    axes.tick_params(axis="y", labelsize=7)
    figure.savefig(file)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
