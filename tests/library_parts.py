"""Small libraries for tests: recordings whose frames follow from their bytes, without a model."""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import AudioUndecodable
from service.engine.clip_embedding import ClipEmbedding
from service.engine.interface import EmbeddedClip
from service.library.files import id_of_path
from service.library.recording import LibraryModel, Recording
from service.library.store import Library, NewRecording
from service.library.tables import create_tables, open_tables

MODEL = LibraryModel("fake", "1", "0" * 64, dimension=9, sample_rate_hz=1000, hop_samples=40)
BROKEN = b"broken"


def frames_of(content: bytes, n_frames: int, dimension: int = MODEL.dimension) -> NDArray[np.float16]:
    """Unit-norm frames (T, D) that follow from bytes: a sound every second over a background."""
    generator = np.random.default_rng(zlib.crc32(content))
    sounds = generator.normal(size=(n_frames // 25 + 1, dimension)).repeat(25, axis=0)[:n_frames]
    frames = sounds + 0.1 * generator.normal(size=sounds.shape)
    return (frames / np.linalg.norm(frames, axis=1, keepdims=True)).astype(np.float16)


def embedding_of(content: bytes, n_frames: int | None = None) -> ClipEmbedding:
    """The embedding of a recording with these bytes; by default, a frame for each byte."""
    n_frames = n_frames or len(content)
    return ClipEmbedding(frames_of(content, n_frames), n_frames * MODEL.grid.hop_s)


def embed(file: BinaryIO) -> EmbeddedClip:
    """Embeds a file whose content begins with anything but BROKEN."""
    content = file.read()
    if content.startswith(BROKEN):
        raise AudioUndecodable("WAV", "it is broken")
    return EmbeddedClip(hashlib.sha256(content).hexdigest(), embedding_of(content))


def new_recording(path: str, content: bytes, n_frames: int | None = None, **metadata: str | float) -> NewRecording:
    """A recording that can be added to a library."""
    embedding = embedding_of(content, n_frames)
    row = Recording(
        id_of_path(path),
        path,
        hashlib.sha256(content).hexdigest(),
        len(content),
        1,
        embedding.duration_s,
        len(embedding.stored),
        0,
        metadata=metadata,
    )
    return NewRecording(row, embedding)


def make_library(
    folder: Path, on_step: Callable[[str], object] = lambda _: None, model: LibraryModel = MODEL
) -> Library:
    """An empty library in a folder."""
    create_tables(str(folder), model)
    return Library(open_tables(str(folder)), on_step)


def contents(library: Library) -> list[tuple[Any, ...]]:
    """All that a library holds, without what differs between two indexings of the same recordings."""
    frames, moments = library.tables.frames.to_arrow(), library.tables.moments.to_arrow()
    rows: list[tuple[Any, ...]] = []
    for row in map(Recording.of_row, library.recordings().to_pylist()):
        blocks = sorted(
            (block["block_id"] - row.generation, block["frames"], block["crc32"])
            for block in frames.to_pylist()
            if block["generation"] == row.generation
        )
        vectors = sorted(
            (moment["first_frame"], moment["end_frame"], tuple(moment["vector"]))
            for moment in moments.to_pylist()
            if moment["generation"] == row.generation
        )
        rows.append((replace(row, generation=0), blocks, vectors))
    return sorted(rows, key=lambda item: item[0].path)


def left_overs(library: Library) -> set[int]:
    """Generations of frames and moments that no recording names."""
    live = set(library.recordings(["generation"])["generation"].to_pylist())
    found: set[int] = set()
    for table in (library.tables.frames, library.tables.moments):
        found |= set(table.to_arrow()["generation"].to_pylist())
    return found - live


class SilentProgress:
    """Progress that nobody watches; collects the refusals."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str]] = []
        self.n_files = 0

    def advance(self, n_bytes: int, duration_s: float) -> None:
        self.n_files += 1

    def refuse(self, path: str, reason: str) -> None:
        self.refused.append((path, reason))


def write_recordings(folder: Path, names: Sequence[str], salt: str = "") -> list[str]:
    """Writes files of different lengths that `embed` accepts; returns their paths."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        (folder / name).write_bytes((f"{salt}{name}" * 200)[: 120 + 331 * index % 900].encode())
    return [str(folder / name) for name in names]
