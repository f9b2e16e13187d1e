"""Evaluation on a split of a data set: the choice of its recordings, its labels and its tuning set."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import seeds
from training.data.check import probe_recordings
from training.data.datasets import ADAPTERS, read_dataset
from training.data.example import SPLITS, Example
from training.data.issues import DataIssue, DataIssues
from training.evaluation.annotated_set import evaluation_set_from_examples, merge_recordings
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.protocol import evaluate, evaluate_retrieval

logger = logging.getLogger(__name__)
TUNING_SPLIT = "val"
COMMON_LABELS_DATASET = "audioset-strong"
"""On this data set, only labels that also occur in `train` are evaluated, as in TACOS (arXiv 2505.07609)."""


def evaluate_dataset(localizer: Localizer, name: str, folder: Path, split: str, most: int) -> dict[str, Any]:
    """The report on a split of a data set: localization of its events, and retrieval by captions of whole recordings.

    Post-processing is tuned on the split `val`, unless `val` itself is reported.

    Args:
        localizer: Model, bundle or service to evaluate.
        name: Name of the data set, a key of ADAPTERS.
        folder: Folder of the data set.
        split: Split that is reported.
        most: Largest number of recordings of each split. If a split has more, they are drawn at random.

    Raises:
        ValueError: The split has no recording, no readable recording, or no event of the searched labels.
        FileNotFoundError: A table of the data set does not exist.
    """
    examples = merge_recordings(read_dataset(name, folder))
    drawn = draw_recordings(examples, split, most)
    if not drawn:
        splits = ", ".join(s for s in SPLITS if draw_recordings(examples, s, most)) or "none"
        raise ValueError(f"{name} has no recording in split {split!r}; splits with recordings: {splits}")
    readable, issues = readable_recordings(drawn)
    if not readable:
        raise ValueError(f"{name}: none of the {len(drawn)} recordings of split {split!r} can be read: {issues[0]}")
    report: dict[str, Any] = {"unreadable": {split: len(issues)}}
    annotated = [example for example in readable if example.events]
    if annotated:
        labels = common_labels(folder, split) if name == COMMON_LABELS_DATASET else None
        set_name = f"{name}, {split}" if labels is None else f"{name}, {split}, labels of train"
        reported_set = evaluation_set_from_examples(set_name, annotated, labels)
        tuning_set = None
        if split != TUNING_SPLIT:
            candidates = [example for example in draw_recordings(examples, TUNING_SPLIT, most) if example.events]
            tuning_examples, issues = readable_recordings(candidates)
            report["unreadable"][TUNING_SPLIT] = len(issues)
            tuning_set = make_tuning_set(f"{name}, {TUNING_SPLIT}", tuning_examples, reported_set)
        report["localization"] = evaluate(localizer, reported_set, tuning_set)
    captioned = [example for example in readable if example.captions]
    if captioned:
        report["retrieval"] = evaluate_retrieval(localizer, f"{name}, {split}", captioned)
    return report


def make_tuning_set(name: str, examples: Sequence[Example], reported_set: EvaluationSet) -> EvaluationSet | None:
    """The evaluation set of annotated recordings with the labels of the reported set, or None without recordings.

    If the reported set is pooled, the tuning set is pooled too, and its labels are the captions of its events.
    """
    if not examples:
        return None
    labels = None if reported_set.pooled else reported_set.labels
    return evaluation_set_from_examples(name, examples, labels, reported_set.pooled)


def common_labels(folder: Path, split: str) -> list[str]:
    """Labels of AudioSet Strong that occur both in `train` and in a split, from its tables.

    Recordings without audio count too.

    Raises:
        ValueError: There is no common label, for example because a table does not exist.
    """
    labels_by_split: dict[str, set[str]] = {s: set() for s in SPLITS}
    for example in ADAPTERS[COMMON_LABELS_DATASET](folder, DataIssues()):
        labels_by_split[example.split] |= {event.caption for event in example.events}
    common = labels_by_split["train"] & labels_by_split[split]
    if not common:
        raise ValueError(
            f"{COMMON_LABELS_DATASET}: no label of split {split!r} occurs in train; only labels of both are searched for, "
            f"so the tables of both must be in {folder} (the audio of train is not needed)"
        )
    return sorted(common)


def readable_recordings(examples: Sequence[Example]) -> tuple[list[Example], list[DataIssue]]:
    """The examples whose recordings can be decoded to the end, and the issues of the other recordings."""
    durations_s, issues = probe_recordings(sorted({example.path for example in examples}), whole=True)
    for issue in issues:
        logger.warning("left out: %s", issue)
    return [example for example in examples if example.path in durations_s], issues


def draw_recordings(examples: Sequence[Example], split: str, most: int) -> list[Example]:
    """At most `most` recordings of a split, in their order. The same arguments always draw the same recordings."""
    of_split = [example for example in examples if example.split == split]
    drawn = np.random.default_rng(seeds.RECORDINGS).permutation(len(of_split))[:most]
    return [of_split[i] for i in np.sort(drawn)]
