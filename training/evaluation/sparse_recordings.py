"""Sparse recordings: 10 minutes of a real ambience with a sound about every 30 s, as in recordings that users search.

The definition is fixed: seed, ambiences and rates are constants, so that a pack always gives the same recordings. The `val`
recordings of each label are divided into two halves. The recordings of the reported set come from one half and those of the
tuning set from the other half, so no recording occurs in both.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from numpy.random import Generator

from training import seeds
from training.data.pack import AudioStore, Recording, read_pack_table
from training.evaluation.ambient_mixer import MAX_SOUND_S, AmbientMixer, Layout
from training.evaluation.benchmark import MIN_RECORDINGS, validation_queries
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet
from training.towers.front_end import SAMPLE_RATE_HZ

Half = Literal["reported", "tuning"]
N_RECORDINGS = 24
RECORDING_S = 600.0
GAP_S = (15.0, 45.0)
"""Range of the time from the onset of a sound to the onset of the next, in seconds."""
SNR_DB = (0.0, 20.0)
"""Range of the power of a sound's active blocks relative to the power of the ambience, in dB."""


def onsets(rng: Generator, duration_s: float) -> Iterator[float]:
    """Yields the onset of each sound of a recording, in seconds, so that every sound fits into the recording."""
    onset_s = float(rng.uniform(0, GAP_S[1]))
    while onset_s + MAX_SOUND_S < duration_s:
        yield onset_s
        onset_s += float(rng.uniform(*GAP_S))


def half_of(recordings: Sequence[Recording], half: Half) -> list[Recording]:
    """One half of the recordings of each label, in the order of the table: the 1st, 3rd, ... or the 2nd, 4th, ..."""
    seen: defaultdict[str, int] = defaultdict(int)
    kept: list[Recording] = []
    for recording in recordings:
        if seen[recording.label] % 2 == (half == "tuning"):
            kept.append(recording)
        seen[recording.label] += 1
    return kept


def sparse_set(
    folder: Path, half: Half, n_recordings: int = N_RECORDINGS, recording_s: float = RECORDING_S
) -> EvaluationSet:
    """Sparse recordings, queried with the held-out captions of the benchmark's labels.

    Labels that may describe the ambience of a recording are not searched for in it, because the answer is not known.

    Args:
        folder: CSV pack with a `val` split.
        half: Which half of the `val` recordings of each label is used.
        n_recordings: Number of recordings.
        recording_s: Duration of each recording in seconds.

    Raises:
        ValueError: No label has enough recordings, a label has too few held-out captions, or a recording cannot be
            decoded.
        FileNotFoundError: The pack's table does not exist.
    """
    val = [r for r in read_pack_table(folder) if r.split == "val"]
    counts = Counter(r.label for r in val)
    labels = tuple(sorted(label for label, count in counts.items() if count >= MIN_RECORDINGS))
    if not labels:
        raise ValueError(f"{folder}: no label has {MIN_RECORDINGS} recordings in split 'val'")
    recordings = half_of(val, half)
    store = AudioStore.decode(recordings, SAMPLE_RATE_HZ)
    seed = seeds.SPARSE if half == "reported" else seeds.SPARSE_TUNING
    layout = Layout(recording_s, onsets, SNR_DB)
    mixer = AmbientMixer.of(recordings, store, set(labels), layout, seed)
    clips = tuple(_clip(mixer, number, labels) for number in range(n_recordings))
    name = f"{n_recordings} sparse recordings of {recording_s:g} s, seed {seed}"
    return EvaluationSet(name, clips, labels, tuple(map(tuple, validation_queries(labels))))


def _clip(mixer: AmbientMixer, number: int, labels: Sequence[str]) -> EvaluationClip:
    name = f"sparse{number:02d} ({mixer.ambience_label(number) or 'noise'})"
    return EvaluationClip(
        name,
        partial(mixer.waveform, number),
        mixer.layout.duration_s,
        mixer.events(number),
        mixer.queried_labels(number, labels),
    )
