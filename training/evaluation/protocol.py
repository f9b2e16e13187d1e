"""The evaluation protocol: which post-processing a model is evaluated with, and which figures are reported."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.core.postprocessing import Postprocessing
from training import seeds
from training.data.decoding import decode
from training.data.example import Example
from training.evaluation.evaluation_set import ClipScores, EvaluationSet
from training.evaluation.false_alarms import count_alarms, summarize_alarms
from training.evaluation.localizers import Localizer
from training.evaluation.metrics import Figures, compute_figures, reliability
from training.evaluation.report import CONFIDENCE_LEVEL, summarize, summarize_figures
from training.evaluation.retrieval import relevance, retrieval
from training.evaluation.scored_queries import bootstrap_weights
from training.evaluation.tuning import MEDIAN_FILTERS_S, tune

RESAMPLES = 500
"""Default number of bootstrap resamples."""
MEMORY_FRACTION = 0.7
"""Fraction of the machine's memory that score curves may take."""


@dataclass(frozen=True, slots=True)
class _Settings:
    """Post-processing of each scored label, and a text for the report that says how it was chosen."""

    by_label: list[Postprocessing]
    chosen: str


def evaluate(
    localizer: Localizer,
    reported_set: EvaluationSet,
    tuning_set: EvaluationSet | None,
    resamples: int = RESAMPLES,
    memory_bytes: int | None = None,
) -> dict[str, Any]:
    """Computes the figures of a localizer on one set, with its default post-processing and with tuned post-processing.

    Args:
        localizer: Model, bundle or service to evaluate.
        reported_set: Evaluation set whose figures are reported.
        tuning_set: Evaluation set on which the post-processing of each label is chosen. For a model that is not
            calibrated, the default threshold is chosen on it too. Without a tuning set, or if it has no events, only
            the default post-processing is evaluated.
        resamples: Number of bootstrap resamples.
        memory_bytes: Largest memory of the score curves. By default, MEMORY_FRACTION of the machine's memory.

    Returns:
        The report, which can be written as JSON: `set` describes the reported set, `bootstrap` the resamples, and
        `settings` has the figures by `default` and `tuned` post-processing; see `summarize`. `false_alarms` has the
        false alarms with the default post-processing; see `summarize_alarms`.

    Raises:
        ValueError: No label has an event in the reported set, or the score curves do not fit into memory. Both are
            checked before any clip is scored.
    """
    if not reported_set.has_events:
        raise ValueError(
            f"{reported_set.name}: no label has an event in any of {len(reported_set.clips)} recordings; "
            "at least one event is needed"
        )
    _check_memory(localizer, reported_set, tuning_set, memory_bytes or _available_memory_bytes())
    weights = bootstrap_weights(len(reported_set.clips), resamples, seeds.BOOTSTRAP)
    settings_by_name = _choose_settings(localizer, reported_set, tuning_set)
    width_choices = [
        [postprocessing.median_filter_s for postprocessing in settings.by_label]
        for settings in settings_by_name.values()
    ]
    clip_scores_by_name = dict(zip(settings_by_name, reported_set.score_clips(localizer, width_choices), strict=True))
    reports: dict[str, Any] = {}
    for name, clip_scores in clip_scores_by_name.items():
        settings = settings_by_name[name]
        passes = _figures_of_passes(localizer, reported_set, clip_scores, weights, settings)
        reports[name] = _report(passes, settings, reported_set.scored_labels)
    default = settings_by_name["default"].by_label
    reports["default"]["postprocessing"] = asdict(default[0])
    reports["default"]["reliability"] = reliability(
        reported_set.scored_queries(clip_scores_by_name["default"], i) for i in range(reported_set.n_passes)
    )
    alarms = count_alarms(reported_set, clip_scores_by_name["default"], localizer.grid, default)
    return {
        "set": _description(reported_set),
        "bootstrap": _bootstrap(resamples),
        "settings": reports,
        "false_alarms": summarize_alarms(alarms, reported_set, resamples),
    }


def _figures_of_passes(
    localizer: Localizer,
    reported_set: EvaluationSet,
    clip_scores: Sequence[ClipScores],
    weights: NDArray[np.float64],
    settings: _Settings,
) -> list[Figures]:
    """The figures of each pass over the reported set, with given post-processing."""
    return [
        compute_figures(
            reported_set.scored_queries(clip_scores, pass_index),
            localizer.grid,
            weights,
            settings.by_label,
            localizer.presence,
        )
        for pass_index in range(reported_set.n_passes)
    ]


def _report(passes: Sequence[Figures], settings: _Settings, labels: Sequence[str]) -> dict[str, Any]:
    """The figures of all passes, and the post-processing of each label."""
    report = {"chosen": settings.chosen, **summarize(passes, labels)}
    for label, postprocessing in zip(labels, settings.by_label, strict=True):
        report["labels"][label] |= {
            "median_filter_s": postprocessing.median_filter_s,
            "threshold": postprocessing.threshold,
        }
    return report


def _description(reported_set: EvaluationSet) -> dict[str, Any]:
    everywhere = all(len(clip.queried_labels) == len(reported_set.labels) for clip in reported_set.clips)
    pooled, full = "captions of each recording and captions of others", "all labels in all recordings"
    full = full if everywhere else f"{full}, except labels that may describe the ambience of a recording"
    return {
        "name": reported_set.name,
        "recordings": len(reported_set.clips),
        "labels": len(reported_set.labels),
        "passes": reported_set.n_passes,
        "queries": pooled if reported_set.pooled else full,
    }


def _check_memory(
    localizer: Localizer, reported_set: EvaluationSet, tuning_set: EvaluationSet | None, memory_bytes: int
) -> None:
    """Raises ValueError if the score curves of either set do not fit into memory.

    The curves of a set are held at the same time for all choices of the median filters: default and tuned
    post-processing in the reported set, and all candidate widths in the tuning set.
    """
    sets = [(reported_set, 1)]
    if tuning_set is not None:
        sets = [(reported_set, 2), (tuning_set, 1 + len(MEDIAN_FILTERS_S))]
    for evaluation_set, n_choices in sets:
        needed = evaluation_set.memory_bytes(localizer.grid, n_choices)
        if needed > memory_bytes:
            raise ValueError(
                f"{evaluation_set.name}: the score curves of {len(evaluation_set.clips)} recordings and "
                f"{len(evaluation_set.labels)} labels take {needed / 1e9:.1f} GB; at most {memory_bytes / 1e9:.1f} GB "
                "are accepted on this machine (--most limits the number of recordings)"
            )


def _available_memory_bytes() -> int:
    return int(MEMORY_FRACTION * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _choose_settings(
    localizer: Localizer, reported_set: EvaluationSet, tuning_set: EvaluationSet | None
) -> dict[str, _Settings]:
    """The post-processing to evaluate with, by name: `default`, and `tuned` if there is a tuning set with events."""
    chosen = "the model's default" if localizer.calibrated else "the model's default, whose threshold is not calibrated"
    if tuning_set is None or not tuning_set.has_events:
        untuned = "" if tuning_set is None else f"; no label has an event in the tuning set {tuning_set.name}"
        return {"default": _Settings([localizer.postprocessing] * len(reported_set.scored_labels), chosen + untuned)}
    default, by_label = tune(localizer, tuning_set)
    if not localizer.calibrated:
        chosen = f"the model's default, with the threshold of the highest mean event F1 on {tuning_set.name}"
    tuned = (
        "for each label, the median filter with the highest PSDS1 and then the threshold with the highest event F1 "
        f"on {tuning_set.name}"
    )
    return {"default": _Settings([default] * len(by_label), chosen), "tuned": _Settings(by_label, tuned)}


def evaluate_retrieval(
    localizer: Localizer, name: str, examples: Sequence[Example], resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Computes the retrieval figures of recordings and the captions of whole recordings.

    The clip score of a recording and a caption is the highest score of the caption's curve.

    Raises:
        ValueError: No recording has a caption.
    """
    captions = sorted({caption for example in examples for caption in example.captions})
    if not captions:
        raise ValueError(f"{name}: none of {len(examples)} recordings has a caption; at least one caption is needed")
    rate_hz, width_s = localizer.grid.sample_rate_hz, localizer.postprocessing.median_filter_s
    scores = np.stack(
        [localizer.scores(decode(e.path, rate_hz), captions, width_s).max(axis=1) for e in examples]
    )  # (R, K)
    weights = bootstrap_weights(len(examples), resamples, seeds.BOOTSTRAP)
    figures = retrieval(scores, relevance([example.captions for example in examples], captions), weights)
    return {
        "set": {"name": name, "recordings": len(examples), "captions": len(captions)},
        "bootstrap": _bootstrap(resamples),
        "figures": summarize_figures([figures]),
    }


def _bootstrap(resamples: int) -> dict[str, Any]:
    return {"resamples": resamples, "of": "recordings", "interval": CONFIDENCE_LEVEL, "seed": seeds.BOOTSTRAP}
