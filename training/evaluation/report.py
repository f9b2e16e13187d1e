"""What an evaluation says: figures with their intervals, as a document and as text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import Figures

LEVEL = 0.95
UNBOUNDED = ("segment_error_rate",)
"""Figures that may be more than 1."""


def summarize(passes: Sequence[Figures], labels: Sequence[str]) -> dict[str, Any]:
    """Each figure, overall and of each label: the mean over the passes, its interval, and the spread of the passes."""
    by_label = {
        label: summarize_figures([{name: values[i] for name, values in own.by_label.items()} for own in passes])
        for i, label in enumerate(labels)
    }
    return {"figures": summarize_figures([own.overall for own in passes]), "labels": by_label}


def summarize_figures(passes: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, Any]:
    """Each figure, of which each pass has (1 + B,)."""
    return {name: _figure([own[name] for own in passes], math.inf if name in UNBOUNDED else 1.0) for name in passes[0]}


def _figure(passes: Sequence[NDArray[np.float64]], most: float) -> dict[str, float | None]:
    values = np.stack(passes)  # (P, B)
    mean = values.mean(axis=0)
    low, high = np.clip(interval(mean), 0.0, most)
    found = {"value": mean[0], "low": low, "high": high, "spread": np.ptp(values[:, 0])}
    return {name: None if np.isnan(value) else float(value) for name, value in found.items()}


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the value that comes first, from those of the resamples behind it, (1 + B,).

    The percentiles of the resamples, moved so that their mean is the value: the best of a curve in a resample is, on
    average, better than that curve's best, and labels differ more, which moves areas and spreads by up to their error.
    """
    resampled = values[1:][np.isfinite(values[1:])]
    if not len(resampled) or np.isnan(values[0]):
        return np.nan, np.nan
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return values[0] + low - resampled.mean(), values[0] + high - resampled.mean()


def as_text(report: Mapping[str, Any]) -> str:
    """The report for people: what was evaluated on what, the figures, and the labels from the hardest to the easiest."""
    lines = [f"subject: {_told(report['subject'])}"]
    if any(report.get("unreadable", {}).values()):
        lines += [f"recordings left out, as they cannot be read: {_told(report['unreadable'])}"]
    if "localization" in report:
        lines += ["", *_localization(report["localization"])]
    if "retrieval" in report:
        lines += ["", *_head(report["retrieval"]), *_figures(report["retrieval"]["figures"])]
    return "\n".join(lines) + "\n"


def _localization(told: Mapping[str, Any]) -> list[str]:
    lines = _head(told)
    for name, own in told["settings"].items():
        lines += ["", f"{name}: {own['chosen']}"]
        if "postprocessing" in own:
            lines += [f"  {_told(own['postprocessing'])}"]
        lines += _figures(own["figures"])
    return [*lines, "", "default, by label", *_table(told["settings"]["default"]["labels"])]


def _head(told: Mapping[str, Any]) -> list[str]:
    return [f"set: {_told(told['set'])}", f"bootstrap: {_told(told['bootstrap'])}"]


def _figures(figures: Mapping[str, Any]) -> list[str]:
    return [f"  {name:28} {_told_figure(own)}" for name, own in figures.items()]


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _told_figure(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "-"
    told = f"{figure['value']:.3f}"
    if figure["low"] is not None:
        told += f"  [{figure['low']:.3f}, {figure['high']:.3f}]"
    return told + (f"  passes differ by {figure['spread']:.3f}" if figure["spread"] else "")


def _table(labels: Mapping[str, Mapping[str, Any]]) -> list[str]:
    names = [name for name, figure in next(iter(labels.values())).items() if isinstance(figure, dict)]
    rows = [(label, [own[name]["value"] for name in names]) for label, own in labels.items()]
    rows.sort(key=lambda row: row[1][0] if row[1][0] is not None else -1.0)
    head = f"{'label':28} " + " ".join(f"{name:>14}" for name in names)
    return [
        head,
        *(
            f"{label:28} " + " ".join("             -" if v is None else f"{v:14.3f}" for v in values)
            for label, values in rows
        ),
    ]
