"""The realistic benchmark: sounds over real ambiences at -5 to 15 dB, searched for with words that people wrote.

The definition is fixed like that of the other benchmark, and the scenes come from the same `val` recordings. Nothing may be
chosen on this benchmark: no model, no threshold and no wording. The same scenes are searched with three wordings, so that a
model whose scores hang on the words of its training can be told:

- `trained`: captions of the label that training used (`labels.jsonl`).
- `untrained`: captions of the label that are held out from training (`validation.jsonl`).
- `real`: captions and phrases of other data sets (`realistic.jsonl`, see `training.evaluation.real_wording`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.random import Generator

from training import seeds
from training.data.captions import FOLDER as CAPTIONS
from training.data.captions import read_label_captions
from training.data.pack import AudioStore, read_pack_table
from training.evaluation.ambient_mixer import AmbientMixer, Layout
from training.evaluation.benchmark import MIN_RECORDINGS, N_SCENES, PASSES, VALIDATION_CAPTIONS
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.evaluation.localizers import Localizer
from training.evaluation.protocol import RESAMPLES, evaluate
from training.evaluation.real_wording import REAL_CAPTIONS
from training.towers.front_end import SAMPLE_RATE_HZ

SCENE_S = 10.0
MAX_SOUNDS = 4
"""Largest number of sounds in a scene; the smallest is 1."""
SNR_DB = (-5.0, 15.0)
WORDINGS = {"real": REAL_CAPTIONS, "untrained": VALIDATION_CAPTIONS, "trained": CAPTIONS / "labels.jsonl"}
"""File with the captions of each wording."""


def onsets(rng: Generator, duration_s: float) -> Iterator[None]:
    """Yields a sound at any time, 1 to MAX_SOUNDS times, whatever the duration of the scene."""
    del duration_s
    for _ in range(int(rng.integers(1, MAX_SOUNDS + 1))):
        yield None


def queries_by_wording(labels: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """PASSES queries of each label in each of WORDINGS, for the labels that have captions in all of them.

    A label with fewer captions uses them more than once.
    """
    captions: dict[str, Mapping[str, tuple[str, ...]]] = {
        wording: {label: entry.captions for label, entry in read_label_captions(file).items()}
        for wording, file in WORDINGS.items()
    }
    worded = [label for label in labels if all(of_wording.get(label) for of_wording in captions.values())]
    return {
        wording: {
            label: tuple(of_wording[label][i % len(of_wording[label])] for i in range(PASSES)) for label in worded
        }
        for wording, of_wording in captions.items()
    }


def realistic_sets(folder: Path, n_scenes: int = N_SCENES) -> dict[str, EvaluationSet]:
    """The scenes with the queries of each wording.

    Labels that may describe the ambience of a scene are neither mixed into it nor searched for in it. A label that is left
    out of all scenes is no label of the set.

    Args:
        folder: CSV pack with a `val` split.
        n_scenes: Number of scenes.

    Raises:
        ValueError: No label has enough recordings and captions of all wordings, or a recording cannot be decoded.
        FileNotFoundError: The pack's table does not exist.
    """
    recordings = [r for r in read_pack_table(folder) if r.split == "val"]
    counts = Counter(r.label for r in recordings)
    frequent = sorted(label for label, count in counts.items() if count >= MIN_RECORDINGS)
    store = AudioStore.decode(recordings, SAMPLE_RATE_HZ)
    mixer = AmbientMixer.of(recordings, store, set(frequent), Layout(SCENE_S, onsets, SNR_DB), seeds.REALISTIC)
    searched = {frequent[i] for number in range(n_scenes) for i in mixer.queried_labels(number, frequent)}
    queries = queries_by_wording(sorted(searched))
    labels = tuple(queries["real"])
    if not labels:
        raise ValueError(
            f"{folder}: no label has {MIN_RECORDINGS} recordings in split 'val' and captions in "
            f"{', '.join(file.name for file in WORDINGS.values())}"
        )
    clips = tuple(_clip(mixer, number, labels) for number in range(n_scenes))
    return {
        wording: EvaluationSet(
            f"{n_scenes} realistic scenes of seed {seeds.REALISTIC}, {wording} wording",
            clips,
            labels,
            tuple(of_label.values()),
        )
        for wording, of_label in queries.items()
    }


def evaluate_realistic(localizer: Localizer, folder: Path, resamples: int = RESAMPLES) -> dict[str, Any]:
    """The report: `localization` with the real wording, and `wordings` with the figures of each wording.

    Raises:
        ValueError: See `realistic_sets`.
        FileNotFoundError: The pack's table does not exist.
    """
    reports = {
        wording: evaluate(localizer, evaluation_set, None, resamples)
        for wording, evaluation_set in realistic_sets(folder).items()
    }
    wordings = {
        wording: report["settings"]["default"]["figures"] | report["false_alarms"]["figures"]
        for wording, report in reports.items()
    }
    return {"localization": reports["real"], "wordings": wordings}


def _clip(mixer: AmbientMixer, number: int, labels: Sequence[str]) -> EvaluationClip:
    return EvaluationClip(
        f"realistic{number:03d} ({mixer.ambience_label(number) or 'noise'})",
        partial(mixer.waveform, number),
        mixer.layout.duration_s,
        mixer.events(number),
        mixer.queried_labels(number, labels),
    )
