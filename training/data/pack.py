"""The CSV pack: a table of recordings with one sound source each, beside a folder of audio.

Anyone can make a pack of their recordings: `FOLDER/clips.csv` is a table in UTF-8 with a header row. Its required
columns are `path` (relative to FOLDER), `label` and `split` (`train` or `val`). The columns `source`, `group`, `title`,
`author` and `licence` are optional. Audio may have any format that libsndfile reads, any sample rate and any number of
channels. Recordings of the same `group` (for example, of one author) should be in the same split: otherwise validation
rewards memorized recordings.
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
    """One row of the table. `title` is the uploader's title as plain words (see `clean_title`), or empty."""

    path: Path
    label: str
    split: str
    title: str = ""
    source: str = ""
    author: str = ""
    licence: str = ""


def clean_title(title: str) -> str:
    """Turns a file name or a title into lower-case words, without file name ending, digits and underscores.

    >>> clean_title("Dog_barking-03.wav")
    'dog barking'
    """
    title = re.sub(r"\.(wav|mp3|aiff?|ogg|flac)$", "", title.strip(), flags=re.IGNORECASE)
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title)
    return " ".join(re.sub(r"[^A-Za-z' ]+", " ", title).lower().split())


def read_pack_table(folder: Path) -> list[Recording]:
    """Reads the recordings that `folder/clips.csv` lists, in its order.

    Raises:
        FileNotFoundError: The table is missing.
        ValueError: A column is missing, or a row is broken, has no path or no label, or has a split other than `train`
            and `val`. The message names the file and the line.
    """
    recordings, issues = list[Recording](), StrictIssues()
    for where, row in read_rows(folder / TABLE, ("path", "label", "split"), issues):
        with issues.record_errors(where):
            recordings.append(_recording(folder, row))
    return recordings


def _recording(folder: Path, row: dict[str, str]) -> Recording:
    if row["split"] not in ("train", "val"):
        raise ValueError(f"split is {row['split']!r}; 'train' or 'val' is accepted")
    if not row["path"].strip():
        raise ValueError(f"path is {row['path']!r}; the path of a recording is accepted")
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
    """Decoded recordings in memory, concatenated as 16-bit samples.

    Attributes:
        samples: the samples of all recordings: (N,) int16.
        offsets: recording i has the samples `offsets[i]` to `offsets[i + 1]`: (number of recordings + 1,) int64.
        sample_rate_hz: the sample rate of all recordings.
    """

    samples: NDArray[np.int16]
    offsets: NDArray[np.int64]
    sample_rate_hz: int

    @classmethod
    def decode(cls, recordings: Sequence[Recording], sample_rate_hz: int) -> "AudioStore":
        """Decodes each recording once, in the given order (about 1,000 times faster than real time)."""
        decoded = [np.round(decode(r.path, sample_rate_hz).clip(-1, 1) * 32767).astype(np.int16) for r in recordings]
        offsets = np.cumsum([0, *(len(samples) for samples in decoded)])
        return cls(np.concatenate(decoded), offsets, sample_rate_hz)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Samples of recording number `index`, in [-1, 1]: (N,)."""
        samples = self.samples[self.offsets[index] : self.offsets[index + 1]]
        return samples.astype(np.float32) / np.float32(32767)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[i] for i in range(len(self)))
