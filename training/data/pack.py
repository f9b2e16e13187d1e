"""The CSV pack: recordings with one sound source each, as a table beside a folder of audio.

The layout, which anybody can make of their own recordings: `FOLDER/clips.csv` (UTF-8) with a header row and at least the
columns `path` (relative to FOLDER), `label`, `split` (`train` or `val`); `source`, `group`, `title`, `author` and
`licence` are read where they are there. Any format that libsndfile reads, any sample rate, any number of channels.
Recordings of one `group` should be in one split, or validation measures memory.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.decoding import decode
from training.data.issues import StrictIssues
from training.data.tables import read_rows, required_text

TABLE = "clips.csv"


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of the table; `title` is the uploader's own, cleaned of file name extensions, or empty."""

    path: Path
    label: str
    split: str
    title: str = ""
    source: str = ""
    author: str = ""
    licence: str = ""


def clean_title(title: str) -> str:
    """A file name or title as words: no extension, digits or underscores.

    >>> clean_title("Dog_barking-03.wav")
    'dog barking'
    """
    title = re.sub(r"\.(wav|mp3|aiff?|ogg|flac)$", "", title.strip(), flags=re.IGNORECASE)
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title)
    return " ".join(re.sub(r"[^A-Za-z' ]+", " ", title).lower().split())


def read_pack_table(folder: Path) -> list[Recording]:
    """The recordings that `folder/clips.csv` lists, in its order.

    Raises:
        FileNotFoundError: there is no table.
        ValueError: a column is missing, or a row is broken, has no path or no label, or a split that is neither `train`
            nor `val`; the message names file and line.
    """
    recordings, strict = list[Recording](), StrictIssues()
    for where, row in read_rows(folder / TABLE, ("path", "label", "split"), strict):
        with strict.record_errors(where):
            recordings.append(_recording(folder, row))
    return recordings


def _recording(folder: Path, row: dict[str, str]) -> Recording:
    if row["split"] not in ("train", "val"):
        raise ValueError(f"split is {row['split']!r}; 'train' or 'val' is accepted")
    if not row["path"].strip():
        raise ValueError(f"path is {row['path']!r}; that of a recording is accepted")
    return Recording(
        path=folder / row["path"],
        label=required_text(row, "label"),
        split=row["split"],
        title=clean_title(row.get("title") or ""),
        source=row.get("source") or "",
        author=row.get("author") or "",
        licence=row.get("licence") or "",
    )


@dataclass(frozen=True, slots=True)
class AudioStore:
    """Decoded recordings in memory, end to end as 16-bit samples; i in a `Recording` list is i here."""

    samples: NDArray[np.int16]
    offsets: NDArray[np.int64]
    sample_rate_hz: int

    @classmethod
    def decode(cls, recordings: Sequence[Recording], sample_rate_hz: int) -> "AudioStore":
        """Decodes every recording once (about 1,000 times faster than real time)."""
        parts = [np.round(decode(r.path, sample_rate_hz).clip(-1, 1) * 32767).astype(np.int16) for r in recordings]
        offsets = np.cumsum([0, *(len(part) for part in parts)])
        return cls(np.concatenate(parts), offsets, sample_rate_hz)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Samples of one recording in [-1, 1]: (N,)."""
        own = self.samples[self.offsets[index] : self.offsets[index + 1]]
        return own.astype(np.float32) / np.float32(32767)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[i] for i in range(len(self)))
