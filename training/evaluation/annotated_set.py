"""Evaluation sets of a data set's annotated recordings."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator

from training import seeds
from training.data.decoding import decode, recording_duration_s
from training.data.example import Example
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet

MAX_LABELS = 1000
"""Largest number of labels for which every label is searched for in every recording and has separate figures.

A set with more labels is pooled.
"""
ABSENT_PER_PRESENT = 4
"""In a pooled set, number of absent captions that a recording is queried with, for each caption of its events."""


def merge_recordings(examples: Iterable[Example]) -> list[Example]:
    """Merges the examples of the same recording and split, in the order in which the recordings first appear.

    A merged example has all captions and events of its recording. Otherwise a sound that only one example annotates
    would count as absent in the other examples of the same recording.
    """
    merged: dict[tuple[Path, str], Example] = {}
    for example in examples:
        recording = example.path, example.split
        known = merged.get(recording, Example(*recording))
        captions = tuple(dict.fromkeys((*known.captions, *example.captions)))
        merged[recording] = Example(*recording, captions, (*known.events, *example.events))
    return list(merged.values())


def evaluation_set_from_examples(
    name: str, examples: Sequence[Example], labels: Sequence[str] | None = None, pooled: bool | None = None
) -> EvaluationSet:
    """The evaluation set of annotated recordings. The query of a label is the label itself.

    In a pooled set, each recording is queried with the captions of its events and with captions of other recordings,
    drawn at random. Otherwise every recording is queried with every label.

    Args:
        name: Name for reports.
        examples: Annotated recordings.
        labels: Labels to search for. By default, all captions of the recordings' events.
        pooled: Whether all labels are counted together. By default, whether there are more than MAX_LABELS labels.

    Raises:
        ValueError: No recording has an event.
        UnreadableRecordingError: A recording cannot be opened.
    """
    captions = sorted({event.caption for example in examples for event in example.events})
    if not captions:
        raise ValueError(f"{name}: none of {len(examples)} recordings has an event; at least one event is needed")
    set_labels = tuple(captions if labels is None else labels)
    pooled = len(set_labels) > MAX_LABELS if pooled is None else pooled
    index = {label: i for i, label in enumerate(set_labels)}
    all_labels = tuple(range(len(set_labels)))
    rng = np.random.default_rng(seeds.CAPTIONS_PER_RECORDING)
    clips: list[EvaluationClip] = []
    for example in examples:
        events = tuple((event.caption, event.onset_s, event.offset_s) for event in example.events)
        present = sorted({index[label] for label, _, _ in events if label in index})
        queried_labels = (*present, *_draw_absent_labels(rng, present, len(set_labels))) if pooled else all_labels
        waveform, duration_s = partial(decode, example.path), recording_duration_s(example.path)
        clips.append(EvaluationClip(str(example.path), waveform, duration_s, events, queried_labels))
    return EvaluationSet(name, tuple(clips), set_labels, tuple((label,) for label in set_labels), pooled)


def _draw_absent_labels(rng: Generator, present: Sequence[int], n_labels: int) -> list[int]:
    """Draws absent labels: at most ABSENT_PER_PRESENT for each label that is present in the recording."""
    n_candidates = min(n_labels, (ABSENT_PER_PRESENT + 1) * len(present))
    absent = np.setdiff1d(rng.choice(n_labels, size=n_candidates, replace=False), present)
    return [int(label) for label in rng.permutation(absent)[: ABSENT_PER_PRESENT * len(present)]]
