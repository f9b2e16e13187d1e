"""A small CSV pack for tests: four labels with procedural sounds, and a few recordings of each."""

import csv
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from numpy.typing import NDArray

RATE_HZ = 16_000
LABELS = ("tone", "hiss", "clicks", "sweep")


def build_tiny_pack(folder: Path, train: int = 4, val: int = 3) -> Path:
    """Writes the pack to a folder, which is created if it is missing, and returns the folder.

    Args:
        folder: the folder.
        train: number of recordings per label in the split `train`.
        val: number of recordings per label in the split `val`.
    """
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for label in LABELS:
        for number in range(train + val):
            path = Path("clips") / f"{label}{number}.flac"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / path, sound(rng, label), RATE_HZ)
            split = "train" if number < train else "val"
            rows.append({"path": path, "label": label, "split": split, "title": f"{label}_{number}.wav"})
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def sound(rng: Generator, label: str) -> NDArray[np.float32]:
    """A recording of 0.6 to 2 s with samples in [-1, 1]: (N,)."""
    time = np.arange(int(rng.uniform(0.6, 2.0) * RATE_HZ)) / RATE_HZ
    pitch = rng.uniform(400, 800)
    wave = {
        "tone": np.sin(2 * np.pi * pitch * time),
        "hiss": rng.standard_normal(len(time)),
        "clicks": (np.sin(2 * np.pi * 8 * time) > 0.99) * rng.standard_normal(len(time)),
        "sweep": np.sin(2 * np.pi * (500 + 1500 * time) * time),
    }[label]
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)
