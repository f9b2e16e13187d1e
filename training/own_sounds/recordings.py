"""The recordings of a new sound: a folder of audio files, decoded and checked."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.audio_files import SUFFIXES, audio_files
from training.data.decoding import UnreadableRecordingError, decode, recording_duration_s
from training.data.pack import AudioStore
from training.synthesis.truth import BLOCK_S, active_blocks

MIN_RECORDINGS = 3
"""Smallest number of recordings. Some are left out of learning in turn, to measure what was learnt."""
MAX_RECORDINGS = 500
MIN_ACTIVE_S = 0.1
"""Shortest time in a recording that is not silent, in seconds."""
MAX_RECORDING_S = 300.0
"""Longest accepted recording in seconds: in a longer one, the sound is probably not the only sound."""
SILENCE_PEAK = 10 ** (-80 / 20)
"""A recording whose samples all have a smaller magnitude is silent."""
MAX_FAULTS = 8
"""Largest number of faults that one message lists."""


class UnsuitableRecordingsError(ValueError):
    """The folder cannot be learnt from; the message says which recordings are at fault, and what is accepted."""


@dataclass(frozen=True, slots=True)
class OwnRecordings:
    """The recordings of one sound.

    Attributes:
        paths: The files, sorted.
        store: The decoded samples, in the same order.
    """

    paths: tuple[Path, ...]
    store: AudioStore

    @property
    def active_s(self) -> float:
        """Total time in which the sound is active, in seconds."""
        return sum(_active_s(samples, self.store.sample_rate_hz) for samples in self.store)


def read_recordings(folder: Path, sample_rate_hz: int) -> OwnRecordings:
    """Decodes and checks all audio files under a folder.

    Raises:
        UnsuitableRecordingsError: The folder does not exist or holds too few or too many recordings, or a recording
            cannot be decoded, is silent, too short, too long, or a copy of another.
    """
    if not folder.is_dir():
        raise UnsuitableRecordingsError(f"{folder} is not a folder; a folder of recordings of one sound is accepted")
    paths = audio_files(folder)
    if not MIN_RECORDINGS <= len(paths) <= MAX_RECORDINGS:
        raise UnsuitableRecordingsError(
            f"{folder} holds {len(paths)} recordings ({_endings()}){_ignored(folder)}; {MIN_RECORDINGS} to "
            f"{MAX_RECORDINGS} are accepted, and 10 or more are recommended"
        )
    decoded: list[NDArray[np.int16]] = []
    faults: list[str] = []
    first_with: dict[str, Path] = {}
    for path in paths:
        try:
            samples = _checked(path, sample_rate_hz)
        except UnreadableRecordingError as error:
            faults.append(str(error))
            continue
        first = first_with.setdefault(hashlib.sha256(samples.tobytes()).hexdigest(), path)
        if first is not path:
            faults.append(f"{path}: has the same samples as {first}; each recording is accepted once")
        decoded.append(samples)
    if faults:
        raise UnsuitableRecordingsError(_joined(faults, len(paths)))
    offsets = np.cumsum([0, *map(len, decoded)])
    return OwnRecordings(tuple(paths), AudioStore(np.concatenate(decoded), offsets, sample_rate_hz))


def _checked(path: Path, sample_rate_hz: int) -> NDArray[np.int16]:
    """The samples of a recording with a peak of half of full scale, (N,)."""
    duration_s = recording_duration_s(path)
    if duration_s > MAX_RECORDING_S:
        raise UnreadableRecordingError(
            path,
            f"lasts {duration_s:.0f} s; at most {MAX_RECORDING_S:.0f} s is accepted (cut out the parts with the sound)",
        )
    samples = decode(path, sample_rate_hz)
    peak = float(np.abs(samples).max())
    if peak < SILENCE_PEAK:
        raise UnreadableRecordingError(path, "is silent; a recording in which the sound is heard is accepted")
    active_s = _active_s(samples, sample_rate_hz)
    if active_s < MIN_ACTIVE_S:
        raise UnreadableRecordingError(
            path, f"has {active_s:.2f} s that are not silent; at least {MIN_ACTIVE_S} s is accepted"
        )
    return np.round(samples * np.float32(0.5 * 32767 / peak)).astype(np.int16)


def _active_s(samples: NDArray[np.float32], sample_rate_hz: int) -> float:
    return min(float(active_blocks(samples, sample_rate_hz).sum() * BLOCK_S), len(samples) / sample_rate_hz)


def _joined(faults: Sequence[str], n_recordings: int) -> str:
    listed = "\n  ".join(faults[:MAX_FAULTS])
    rest = f"\n  and {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else ""
    return f"{len(faults)} of {n_recordings} recordings cannot be used; repair or remove them:\n  {listed}{rest}"


def _endings() -> str:
    return ", ".join(sorted(SUFFIXES))


def _ignored(folder: Path) -> str:
    """A note about the files that are not audio by their ending."""
    n_other = sum(1 for path in folder.rglob("*") if path.is_file() and path.suffix.lower() not in SUFFIXES)
    return f" and {n_other} other files, which are not read" if n_other else ""
