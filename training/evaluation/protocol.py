"""One evaluation from end to end: what is asked, with which post-processing, and what of it is told."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from service.core.postprocessing import Postprocessing
from training import seeds
from training.data.decoding import decode
from training.data.example import Example
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.metrics import compute_figures
from training.evaluation.report import LEVEL, summarize, summarize_figures
from training.evaluation.retrieval import relevance, retrieval
from training.evaluation.scored_queries import bootstrap_weights
from training.evaluation.tuning import WIDTHS_S, tune

RESAMPLES = 500
MEMORY_SHARE = 0.7
CHOSEN = "the median filter with the best PSDS1 and behind it the threshold with the best event F1"


def evaluate(
    localizer: Localizer,
    reported: EvaluationSet,
    own: EvaluationSet | None,
    resamples: int = RESAMPLES,
    memory_bytes: int | None = None,
) -> dict[str, Any]:
    """The figures of a localizer on one set, by its default and by post-processing that was chosen on another.

    Args:
        localizer: What is evaluated.
        reported: What it is evaluated on.
        own: What is chosen, is chosen on this one; without it, or where nothing of it is heard, there is the default alone.
        resamples: Of the bootstrap.
        memory_bytes: What curves may take; if not given, MEMORY_SHARE of the machine's.

    Raises:
        ValueError: Nothing is heard in what is reported, or the curves do not fit into memory; before anything is asked.
    """
    if not reported.heard:
        raise ValueError(f"{reported.name}: none of its labels is heard in any of {len(reported.clips)} recordings")
    _refuse_too_large(localizer, reported, own, memory_bytes or _memory_bytes())
    weights = bootstrap_weights(len(reported.clips), resamples, seeds.BOOTSTRAP)
    ways = _ways(localizer, reported, own)
    widths_s = [[one.median_filter_s for one in settings] for _, settings in ways.values()]
    answers = reported.answers(localizer, widths_s)
    told: dict[str, Any] = {}
    for (way, (chosen, settings)), found in zip(ways.items(), answers, strict=True):
        passes = [
            compute_figures(reported.pairs(found, number), localizer.grid, weights, settings)
            for number in range(reported.n_passes)
        ]
        told[way] = {"chosen": chosen, **summarize(passes, reported.scored_labels)}
        for label, one in zip(reported.scored_labels, settings, strict=True):
            told[way]["labels"][label] |= {"median_filter_s": one.median_filter_s, "threshold": one.threshold}
    told["default"]["postprocessing"] = asdict(ways["default"][1][0])
    return {
        "set": {
            "name": reported.name,
            "recordings": len(reported.clips),
            "labels": len(reported.labels),
            "passes": reported.n_passes,
            "asked": "each recording its own captions and others'"
            if reported.pooled
            else "all labels of all recordings",
        },
        "bootstrap": _bootstrap(resamples),
        "settings": told,
    }


def _refuse_too_large(
    localizer: Localizer, reported: EvaluationSet, own: EvaluationSet | None, memory_bytes: int
) -> None:
    """The curves of each set are held at once: by each way of post-processing, or by each width to choose from."""
    held = [(reported, 1 if own is None else 2), *([] if own is None else [(own, 1 + len(WIDTHS_S))])]
    for one, n_choices in held:
        needed = one.answers_bytes(localizer.grid, n_choices)
        if needed > memory_bytes:
            raise ValueError(
                f"{one.name}: the curves of {len(one.clips)} recordings and {len(one.labels)} labels take "
                f"{needed / 1e9:.1f} GB; at most {memory_bytes / 1e9:.1f} GB are accepted here: ask fewer with --most"
            )


def _memory_bytes() -> int:
    return int(MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _ways(
    localizer: Localizer, reported: EvaluationSet, own: EvaluationSet | None
) -> dict[str, tuple[str, list[Postprocessing]]]:
    """How each way of post-processing is chosen, and the settings of each scored label."""
    threshold = "the model's own" if localizer.calibrated else "the model's own, whose threshold means nothing yet"
    if own is None or not own.heard:
        unheard = "" if own is None else f"; nothing that is asked for is heard in {own.name}"
        return {"default": (threshold + unheard, [localizer.postprocessing] * len(reported.scored_labels))}
    default, each = tune(localizer, own)
    if not localizer.calibrated:
        threshold = f"the model's own, but the threshold with the best event F1 over all labels of {own.name}"
    tuned = f"of each label, {CHOSEN} of {own.name}"
    return {"default": (threshold, [default] * len(each)), "tuned": (tuned, each)}


def evaluate_retrieval(
    localizer: Localizer, name: str, examples: Sequence[Example], resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Recordings found by the captions of the whole of them, and these by the recordings, by clip scores.

    Raises:
        ValueError: No recording has a caption.
    """
    captions = sorted({caption for example in examples for caption in example.captions})
    if not captions:
        raise ValueError(f"{name}: none of {len(examples)} recordings has a caption")
    rate_hz, width_s = localizer.grid.sample_rate_hz, localizer.postprocessing.median_filter_s
    scores = np.stack(
        [localizer.scores(decode(e.path, rate_hz), captions, width_s).max(axis=1) for e in examples]
    )  # (R, C)
    weights = bootstrap_weights(len(examples), resamples, seeds.BOOTSTRAP)
    figures = retrieval(scores, relevance([example.captions for example in examples], captions), weights)
    return {
        "set": {"name": name, "recordings": len(examples), "captions": len(captions)},
        "bootstrap": _bootstrap(resamples),
        "figures": summarize_figures([figures]),
    }


def _bootstrap(resamples: int) -> dict[str, Any]:
    return {"resamples": resamples, "of": "recordings", "interval": LEVEL, "seed": seeds.BOOTSTRAP}
