"""The report of an evaluation: figures with confidence intervals, as a JSON document and as text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import Figures

CONFIDENCE_LEVEL = 0.95
MOST_ALARMS = 10
"""Number of labels in the text's table of false alarms."""
UNBOUNDED = ("segment_error_rate", "alarms_per_hour")
"""Figures that may exceed 1."""


def summarize(passes: Sequence[Figures], labels: Sequence[str]) -> dict[str, Any]:
    """Summarizes the figures of all passes, overall and for each label; see `summarize_figures`."""
    by_label = {
        label: summarize_figures([{name: values[i] for name, values in figures.by_label.items()} for figures in passes])
        for i, label in enumerate(labels)
    }
    return {"figures": summarize_figures([figures.overall for figures in passes]), "labels": by_label}


def summarize_figures(passes: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, Any]:
    """Summarizes each figure over the passes.

    Args:
        passes: Figures by name of each pass, (1 + B,) each: the value on the whole set, then on each bootstrap
            resample.

    Returns:
        For each figure: `value`, the mean over the passes; `low` and `high`, the confidence interval of that mean; and
        `spread`, the difference between the largest and the smallest value of a pass. An undefined number is None.
    """
    return {
        name: _summarize_figure([figures[name] for figures in passes], math.inf if name in UNBOUNDED else 1.0)
        for name in passes[0]
    }


def _summarize_figure(passes: Sequence[NDArray[np.float64]], highest: float) -> dict[str, float | None]:
    values = np.stack(passes)  # (passes, 1 + B)
    mean = values.mean(axis=0)
    low, high = np.clip(interval(mean), 0.0, highest)
    summary = {"value": mean[0], "low": low, "high": high, "spread": np.ptp(values[:, 0])}
    return {name: None if np.isnan(value) else float(value) for name, value in summary.items()}


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % bootstrap interval of a figure: percentiles of the resamples, corrected for bias.

    The percentiles are shifted so that the mean of the resamples equals the value on the whole set, because resampling is
    biased for two reasons. The staircase curves of PSDS follow the best thresholds of a resample, which fit the resample
    better than the best thresholds of the whole set fit the whole set. And labels differ more from each other in a
    resample. The two biases are as large as the sampling error of the areas and standard deviations.

    Args:
        values: The figure on the whole set, then on each resample, (1 + B,). Resamples that are NaN are ignored.

    Returns:
        Lower and upper end; NaN if the value or all resamples are NaN.
    """
    resampled = values[1:][np.isfinite(values[1:])]
    if not len(resampled) or np.isnan(values[0]):
        return np.nan, np.nan
    low, high = np.quantile(resampled, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return values[0] + low - resampled.mean(), values[0] + high - resampled.mean()


def as_text(report: Mapping[str, Any]) -> str:
    """The report as text: subject, evaluation set, figures, and a table of the labels from the lowest figure upwards."""
    lines = [f"subject: {_fields(report['subject'])}"]
    if any(report.get("unreadable", {}).values()):
        lines += [f"recordings left out because they cannot be read: {_fields(report['unreadable'])}"]
    if "localization" in report:
        lines += ["", *_localization(report["localization"])]
    if "protocol" in report:
        section = report["protocol"]
        lines += ["", *_head(section), *_figures(section["figures"]), "", "by label", *_label_table(section["labels"])]
    if "wordings" in report:
        lines += ["", "default, by wording of the queries", *_wording_table(report["wordings"])]
    if "sparse" in report:
        lines += ["", *_false_alarms(report["sparse"])]
    if "retrieval" in report:
        lines += ["", *_head(report["retrieval"]), *_figures(report["retrieval"]["figures"])]
    return "\n".join(lines) + "\n"


def _localization(section: Mapping[str, Any]) -> list[str]:
    lines = _head(section)
    for name, settings in section["settings"].items():
        lines += ["", f"{name}: {settings['chosen']}"]
        if "postprocessing" in settings:
            lines += [f"  {_fields(settings['postprocessing'])}"]
        lines += _figures(settings["figures"])
    if "false_alarms" in section:
        lines += ["", *_false_alarms(section["false_alarms"])]
    return [*lines, "", "default, by label", *_label_table(section["settings"]["default"]["labels"])]


def _false_alarms(section: Mapping[str, Any]) -> list[str]:
    """False alarms with the default post-processing, the curve, and the labels with the most false alarms."""
    labels = section["labels"]
    worst = sorted(labels, key=lambda label: -(labels[label]["alarms_per_hour"]["value"] or 0.0))[:MOST_ALARMS]
    points = [f"{_rounded(point['found'])} at {point['alarms_per_hour']:g}" for point in section["curve"]]
    return [
        f"false alarms on {_fields(section['set'])}",
        *_figures(section["figures"]),
        f"  events found at false alarms per hour and query: {', '.join(points)}",
        f"most false alarms, of {len(labels)} labels",
        *_label_table({label: labels[label] for label in worst}, highest_first=True),
    ]


def _wording_table(wordings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each figure, with its value for each wording."""
    head = f"  {'figure':28} " + " ".join(f"{wording:>10}" for wording in wordings)
    names = next(iter(wordings.values()))
    return [
        head,
        *(
            f"  {name:28} " + " ".join(f"{_rounded(figures[name]['value']):>10}" for figures in wordings.values())
            for name in names
        ),
    ]


def _rounded(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _head(section: Mapping[str, Any]) -> list[str]:
    return [f"set: {_fields(section['set'])}", f"bootstrap: {_fields(section['bootstrap'])}"]


def _figures(figures: Mapping[str, Any]) -> list[str]:
    return [f"  {name:28} {_figure(figure)}" for name, figure in figures.items()]


def _fields(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _figure(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "-"
    text = f"{figure['value']:.3f}"
    if figure["low"] is not None:
        text += f"  [{figure['low']:.3f}, {figure['high']:.3f}]"
    return text + (f"  passes differ by up to {figure['spread']:.3f}" if figure["spread"] else "")


def _label_table(labels: Mapping[str, Mapping[str, Any]], highest_first: bool = False) -> list[str]:
    names = [name for name, figure in next(iter(labels.values())).items() if isinstance(figure, dict)]
    rows = [(label, [figures[name]["value"] for name in names]) for label, figures in labels.items()]
    rows.sort(key=lambda row: row[1][0] if row[1][0] is not None else -1.0, reverse=highest_first)
    head = f"{'label':28} " + " ".join(f"{name:>15}" for name in names)
    return [
        head,
        *(
            f"{label:28} " + " ".join("              -" if v is None else f"{v:15.3f}" for v in values)
            for label, values in rows
        ),
    ]
