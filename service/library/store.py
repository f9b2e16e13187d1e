"""The recordings of a library: added, replaced and removed so that a kill at any moment leaves no duplicate and no hole.

A recording exists when, and only when, the table of recordings has its row. Its frames and its moments are written first,
under a new number, its generation. Then one commit adds or replaces the row. Frames and moments of a generation that no row
names are left-overs of a killed or failed writer. Searches ignore them, and the next writer removes them.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from service.core.start_errors import LibraryMissing, LibraryModelDiffers, MetadataInvalid
from service.engine.clip_embedding import ClipEmbedding
from service.library.frame_blocks import cut_blocks
from service.library.indexes import update_indexes
from service.library.moments import find_moments
from service.library.recording import COLUMNS, LibraryModel, Recording
from service.library.tables import (
    Tables,
    columns_table,
    create_tables,
    in_portions,
    metadata_fields,
    number_list,
    open_tables,
    reporting_damage,
    vector_column,
)
from service.library.write_lock import WriteLock

_GENERATION_BITS = 62
_KEPT_VERSIONS = timedelta(minutes=10)
"""Age up to which earlier versions of the tables are kept for searches that still read them."""


@dataclass(frozen=True, slots=True, eq=False)
class NewRecording:
    """A recording that is to be added: its row, whose generation is not yet known, and its embedding."""

    row: Recording
    embedding: ClipEmbedding


class Library:
    """A library that is open for reading and writing; safe to use from several threads and processes.

    Args:
        tables: The open tables.
        on_step: Called with the name of each write before it is made; for tests.
    """

    def __init__(self, tables: Tables, on_step: Callable[[str], object] = lambda _: None) -> None:
        self.location = tables.location
        self.model = tables.model
        self.tables = tables
        self._lock = WriteLock(tables.location)
        self._on_step = on_step

    def recordings(self, columns: Sequence[str] | None = None, where: str | None = None) -> Any:
        """Reads rows of the table of recordings as an Arrow table.

        Args:
            columns: Names of the columns; all if None.
            where: Condition in SQL, already checked; see `service.library.filters`.
        """
        with reporting_damage(self.location):
            table = self.tables.recordings
            query = table.search().limit(table.count_rows() + 1_000_000)  # without a limit, LanceDB returns 10 rows
            query = query.where(where) if where else query
            return (query.select(list(columns)) if columns is not None else query).to_arrow()

    def recording(self, recording_id: str) -> Recording | None:
        """The recording with an id, or None."""
        if not recording_id.isalnum():
            return None
        rows = self.recordings(where=f"id = '{recording_id}'").to_pylist()
        return Recording.of_row(rows[0]) if rows else None

    def metadata_columns(self) -> dict[str, type]:
        """Names and types (`str` or `float`) of the columns of metadata."""
        with reporting_damage(self.location):
            schema = self.tables.recordings.schema
        kinds = {field.name: str if str(field.type) == "string" else float for field in schema}
        return {name: kind for name, kind in kinds.items() if name not in COLUMNS}

    def add_metadata_columns(self, columns: Mapping[str, type], source: str) -> None:
        """Adds the columns of metadata that the library does not have yet; their values are empty.

        Args:
            columns: Types of the columns, `str` or `float`.
            source: Name of the table that the columns come from, for the message.

        Raises:
            MetadataInvalid: If a column of numbers would have to hold texts.
        """
        with self._lock.hold():
            known = self.metadata_columns()
            for name, kind in columns.items():
                if known.get(name, kind) is float and kind is str:
                    reason = f"column {name} has texts, but numbers in library {self.location}"
                    raise MetadataInvalid(source, reason)
            new = {name: kind for name, kind in columns.items() if name not in known}
            if new:
                self._on_step("columns")
                with reporting_damage(self.location):
                    self.tables.recordings.add_columns(metadata_fields(new))

    def add(self, new: Sequence[NewRecording]) -> int:
        """Adds recordings, or replaces those with the same ids, in one commit. Of two with the same id, the last counts.

        Returns:
            How many were written. A recording that another process has just written from the same bytes is not written.
        """
        wanted = {item.row.id: item for item in new}
        with self._lock.hold(), reporting_damage(self.location):
            self._sweep_if_marked()
            old = {row.id: row for row in self._rows_with_ids(list(wanted))}
            changed = {
                id_: item for id_, item in wanted.items() if id_ not in old or old[id_].clip_id != item.row.clip_id
            }
            rows = [
                replace(item.row, generation=_new_generation()) if id_ in changed
                else replace(item.row, generation=old[id_].generation)
                for id_, item in wanted.items()
            ]  # fmt: skip
            rows = [row for row in rows if row.id in changed or row != old[row.id]]
            if rows:
                with self._lock.marking():
                    self._write(rows, {row.generation: changed[row.id].embedding for row in rows if row.id in changed})
                    self._delete_generations([old[id_].generation for id_ in changed if id_ in old])
            return len(rows)

    def update(self, rows: Sequence[Recording]) -> None:
        """Replaces rows of recordings whose frames stay as they are. A recording that was removed stays removed."""
        with self._lock.hold(), reporting_damage(self.location):
            generations = {row.id: row.generation for row in self._rows_with_ids([row.id for row in rows])}
            kept = [replace(row, generation=generations[row.id]) for row in rows if row.id in generations]
            if kept:
                self._upsert(kept)

    def remove(self, ids: Sequence[str]) -> int:
        """Removes recordings; returns how many of them there were."""
        with self._lock.hold(), reporting_damage(self.location):
            self._sweep_if_marked()
            rows = self._rows_with_ids(ids)
            if rows:
                with self._lock.marking():
                    self._on_step("remove")
                    self.tables.recordings.delete(f"generation IN {number_list(row.generation for row in rows)}")
                    self._delete_generations([row.generation for row in rows])
            return len(rows)

    def update_indexes(self) -> None:
        """Brings the indexes up to date; see `service.library.indexes`."""
        with self._lock.hold(), reporting_damage(self.location):
            self._on_step("indexes")
            update_indexes(self.tables)

    def compact(self) -> None:
        """Removes left-overs, merges small files, brings the indexes up to date and deletes old versions of the tables."""
        with self._lock.hold(), reporting_damage(self.location):
            self._sweep()
            for table in (self.tables.frames, self.tables.moments, self.tables.recordings):
                self._on_step("compact")
                table.optimize(cleanup_older_than=_KEPT_VERSIONS, delete_unverified=self._lock.is_exclusive)
            update_indexes(self.tables)

    def _rows_with_ids(self, ids: Sequence[str]) -> list[Recording]:
        rows: list[Recording] = []
        for part in (ids[begin : begin + 1000] for begin in range(0, len(ids), 1000)):
            quoted = ", ".join(f"'{id_}'" for id_ in part if id_.isalnum())
            if quoted:
                rows += map(Recording.of_row, self.recordings(where=f"id IN ({quoted})").to_pylist())
        return rows

    def _write(self, rows: Sequence[Recording], embeddings: Mapping[int, ClipEmbedding]) -> None:
        if embeddings:
            self._on_step("frames")
            self.tables.frames.add(self._frame_rows(embeddings))
            self._on_step("moments")
            self.tables.moments.add(self._moment_rows(embeddings))
        self._upsert(rows)

    def _upsert(self, rows: Sequence[Recording]) -> None:
        self._on_step("recordings")
        table = self.tables.recordings
        values = [row.row() for row in rows]
        columns = columns_table(table, {name: [row.get(name) for row in values] for name in table.schema.names})
        table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(columns)

    def _frame_rows(self, embeddings: Mapping[int, ClipEmbedding]) -> Any:
        blocks = [(generation, block) for generation, item in embeddings.items() for block in cut_blocks(item.stored)]
        return columns_table(
            self.tables.frames,
            {
                "block_id": [generation + block.number for generation, block in blocks],
                "generation": [generation for generation, _ in blocks],
                "crc32": [block.crc32 for _, block in blocks],
                "frames": [block.content for _, block in blocks],
            },
        )

    def _moment_rows(self, embeddings: Mapping[int, ClipEmbedding]) -> Any:
        found = [(generation, find_moments(item.stored, self.model.grid)) for generation, item in embeddings.items()]
        vectors = np.concatenate([moments.vectors for _, moments in found])
        return columns_table(
            self.tables.moments,
            {
                "generation": np.concatenate(
                    [np.full(len(moments.vectors), generation, np.int64) for generation, moments in found]
                ),
                "first_frame": np.concatenate([moments.first_frames for _, moments in found]),
                "end_frame": np.concatenate([moments.end_frames for _, moments in found]),
                "vector": vector_column(vectors),
            },
        )

    def _delete_generations(self, generations: Sequence[int]) -> None:
        for part in in_portions(generations):
            for table in (self.tables.moments, self.tables.frames):
                self._on_step("delete")
                table.delete(f"generation IN {number_list(part)}")

    def _sweep_if_marked(self) -> None:
        if self._lock.is_marked:
            self._sweep()

    def _sweep(self) -> None:
        """Removes the frames and moments that no recording names."""
        live = set[int](self.recordings(["generation"])["generation"].to_pylist())
        found = set[int]()
        for table in (self.tables.moments, self.tables.frames):
            found.update(_distinct_generations(table))
        self._delete_generations(sorted(found - live))
        self._lock.clear_mark()


def _distinct_generations(table: Any) -> Iterable[int]:
    distinct = set[int]()
    for batch in table.search().select(["generation"]).limit(table.count_rows() + 1_000_000).to_batches():
        distinct.update(np.unique(batch["generation"].to_numpy()).tolist())
    return distinct


def _new_generation() -> int:
    return secrets.randbits(_GENERATION_BITS)


def open_library(location: str, model: LibraryModel | None = None) -> Library:
    """Opens an existing library.

    Args:
        location: Folder or URI of the library.
        model: The model that is about to be used with the library; None if its frames are not read.

    Raises:
        LibraryMissing: If there is no library.
        LibraryModelDiffers: If the library was indexed with another model.
        LibraryUnavailable: If LanceDB is not installed.
        LibraryDamaged: If the library cannot be read.
    """
    library = Library(open_tables(location))
    if model is not None:
        check_model(library, model)
    return library


def open_or_create_library(location: str, model: LibraryModel) -> Library:
    """Opens a library, or creates it if it does not exist; see `open_library`.

    Raises:
        LibraryNotWritable: If the folder cannot be written.
    """
    with WriteLock(location).hold():
        try:
            return open_library(location, model)
        except LibraryMissing:
            return Library(create_tables(location, model))


def check_model(library: Library, model: LibraryModel) -> None:
    """Checks that a model embeds recordings as the model of the library does.

    Raises:
        LibraryModelDiffers: If it does not.
    """
    if (model.model_id, model.dimension) != (library.model.model_id, library.model.dimension):
        raise LibraryModelDiffers(library.location, str(model), str(library.model))
