"""Fragments: files of frames and moments that several processes write at the same time, and that one process commits.

LanceDB commits each write at once. Lance, the format below it (package `pylance`), also writes the files of a table without a
commit. Nobody sees such a file until a commit names it, so a process that dies leaves no half of a recording behind.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.core.start_errors import RayUnavailable
from service.engine.clip_embedding import ClipEmbedding
from service.library.recording import LibraryModel, Recording
from service.library.stored_rows import frame_rows, moment_rows
from service.library.tables import FRAMES, MOMENTS

_GENERATION_BITS = 62
_TABLES = (FRAMES, MOMENTS)


@dataclass(frozen=True, slots=True)
class Fragments:
    """Files that are written and not committed: descriptions in JSON by the name of the table."""

    descriptions: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class StagedRecording:
    """A recording whose frames and moments are in fragments.

    Attributes:
        row: The row of the recording, with the generation that its frames and moments carry.
        fragments: The fragments, which may also hold other recordings.
    """

    row: Recording
    fragments: Fragments

    def with_row(self, row: Recording) -> "StagedRecording":
        """The recording with another row."""
        return replace(self, row=row)


class FragmentWriter:
    """Writes fragments of a library; used in processes that do not hold the lock of the library.

    Args:
        location: Folder or URI of the library, as seen from this process.
        model: The model of the library.

    Raises:
        RayUnavailable: If Lance is not installed.
    """

    def __init__(self, location: str, model: LibraryModel) -> None:
        self._grid = model.grid
        self._datasets = {name: _lance().dataset(_uri(location, name)) for name in _TABLES}

    def write(self, embeddings: Mapping[int, ClipEmbedding]) -> Fragments:
        """Writes the frames and moments of recordings, by their generations; each table gets one new file."""
        frames, moments = (self._datasets[name] for name in _TABLES)
        rows = {FRAMES: frame_rows(frames, embeddings), MOMENTS: moment_rows(moments, embeddings, self._grid)}
        return Fragments({name: self._write(name, table) for name, table in rows.items()})

    def _write(self, name: str, rows: Any) -> list[str]:
        written = _lance().fragment.write_fragments(rows, self._datasets[name])
        return [json.dumps(fragment.to_json()) for fragment in written]


def new_generation() -> int:
    """A number for the frames and moments of a recording that no other recording has."""
    return secrets.randbits(_GENERATION_BITS)


def commit_fragments(location: str, fragments: Sequence[Fragments]) -> None:
    """Adds the rows of fragments to the tables of a library, in one commit for each table.

    Args:
        location: Folder or URI of the library.
        fragments: The fragments; those that are the same object count once.
    """
    lance = _lance()
    distinct = list({id(each): each for each in fragments}.values())
    for name in _TABLES:
        descriptions = [text for each in distinct for text in each.descriptions[name]]
        operation = lance.LanceOperation.Append([lance.FragmentMetadata.from_json(text) for text in descriptions])
        dataset = lance.dataset(_uri(location, name))
        lance.LanceDataset.commit(dataset.uri, operation, read_version=dataset.version)


def _uri(location: str, name: str) -> str:
    return f"{location.rstrip('/')}/{name}.lance"


def _lance() -> Any:
    try:
        import lance  # pyright: ignore[reportMissingTypeStubs] - it ships none
    except ModuleNotFoundError as error:
        raise RayUnavailable(str(error.name)) from error
    return lance
