"""The recordings of a library: added, replaced and removed so that a kill at any moment leaves no duplicate and no hole.

A recording exists when, and only when, the table of recordings has its row. Its frames and its moments are written first,
under a new number, its generation. Then one commit adds or replaces the row. Frames and moments of a generation that no row
names are left-overs of a killed or failed writer. Searches ignore them, and the next writer removes them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from service.core.start_errors import LibraryMissing, LibraryModelDiffers, MetadataInvalid
from service.engine.clip_embedding import ClipEmbedding
from service.library.block_rows import BlockRows
from service.library.fragments import StagedRecording, commit_fragments, new_generation
from service.library.indexes import update_indexes
from service.library.pinned_table import PinnedTable
from service.library.recording import COLUMNS, LibraryModel, Recording
from service.library.stored_rows import frame_rows, moment_rows
from service.library.tables import (
    MOMENTS,
    Tables,
    all_rows,
    columns_table,
    create_tables,
    in_portions,
    metadata_fields,
    number_list,
    open_tables,
    reporting_damage,
)
from service.library.write_lock import WriteLock

_KEPT_VERSIONS = timedelta(minutes=10)
"""Age up to which earlier versions of the tables are kept for searches that still read them."""


@dataclass(frozen=True, slots=True, eq=False)
class NewRecording:
    """A recording that is to be added: its row, whose generation is not yet known, and its embedding."""

    row: Recording
    embedding: ClipEmbedding

    def with_row(self, row: Recording) -> "NewRecording":
        """The recording with another row."""
        return replace(self, row=row)


class Library:
    """A library that is open for reading and writing; safe to use from several threads and processes.

    Args:
        tables: The open tables.
        on_step: Called with the name of each write before it is made; for tests.
    """

    def __init__(self, tables: Tables, on_step: Callable[[str], object] = lambda _: None) -> None:
        self.location, self.model, self.tables = tables.location, tables.model, tables
        self.blocks = BlockRows(tables)
        self.moments = PinnedTable(tables, MOMENTS)
        self._lock = WriteLock(tables.location)
        self._on_step = on_step

    def recordings(self, columns: Sequence[str] | None = None, where: str | None = None) -> Any:
        """Reads rows of the table of recordings as an Arrow table.

        Args:
            columns: Names of the columns; all if None.
            where: Condition in SQL, already checked; see `service.library.filters`.
        """
        with reporting_damage(self.location):
            query = all_rows(self.tables.recordings)
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
        wanted = {item.row.id: replace(item.row, generation=new_generation()) for item in new}
        embeddings = {item.row.id: item.embedding for item in new}

        def write(changed: Iterable[str]) -> None:
            self._write({wanted[id_].generation: embeddings[id_] for id_ in changed})

        return self._commit(wanted, write)

    def add_staged(self, staged: Sequence[StagedRecording]) -> int:
        """Adds recordings whose frames and moments are in fragments, as `add` does.

        All recordings of a fragment have to come in the same call, and the fragments of a call must not come again.
        """

        def write(_changed: Iterable[str]) -> None:
            self._on_step("fragments")
            commit_fragments(self.location, [item.fragments for item in staged])

        staged_rows = {item.row.id: item.row for item in staged}
        return self._commit(staged_rows, write, [item.row.generation for item in staged])

    def _commit(
        self, wanted: Mapping[str, Recording], write: Callable[[Iterable[str]], None], written: Sequence[int] = ()
    ) -> int:
        """Adds or replaces recordings in one commit; returns how many rows changed.

        Args:
            wanted: The rows by id, with new generations.
            write: Writes the frames and moments of recordings, given their ids.
            written: The generations that `write` writes for certain; those that no row needs are deleted again.
        """
        with self._lock.hold(), reporting_damage(self.location):
            self._sweep_if_marked()
            old = {row.id: row for row in self._rows_with_ids(list(wanted))}
            changed = [id_ for id_, row in wanted.items() if id_ not in old or old[id_].clip_id != row.clip_id]
            kept = {id_: replace(row, generation=old[id_].generation) for id_, row in wanted.items() if id_ in old}
            rows = [wanted[id_] for id_ in changed]
            rows += [row for id_, row in kept.items() if row.clip_id == old[id_].clip_id and row != old[id_]]
            if rows:
                with self._lock.marking():
                    if changed:
                        write(changed)
                    self._upsert(rows)
                    needed = {wanted[id_].generation for id_ in changed}
                    spare = [generation for generation in written if generation not in needed]
                    self._delete_generations([*(old[id_].generation for id_ in changed if id_ in old), *spare])
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

    def staging(self) -> AbstractContextManager[None]:
        """Keeps fragments that are not committed yet while the block runs; `compact` deletes them otherwise."""
        return self._lock.staging()

    def update_indexes(self) -> None:
        """Brings the indexes up to date; see `service.library.indexes`."""
        with self._lock.hold(), reporting_damage(self.location):
            self._on_step("indexes")
            update_indexes(self.tables)

    def compact(self) -> None:
        """Removes left-overs, merges small files, brings the indexes up to date and deletes old versions of the tables."""
        with self._lock.hold(), reporting_damage(self.location):
            self._sweep()
            is_unused = self._lock.is_exclusive and not self._lock.is_staging  # of files that no commit names
            for table in (self.tables.frames, self.tables.moments, self.tables.recordings):
                self._on_step("compact")
                table.optimize(cleanup_older_than=_KEPT_VERSIONS, delete_unverified=is_unused)
            update_indexes(self.tables)

    def _rows_with_ids(self, ids: Sequence[str]) -> list[Recording]:
        rows: list[Recording] = []
        for part in (ids[begin : begin + 1000] for begin in range(0, len(ids), 1000)):
            quoted = ", ".join(f"'{id_}'" for id_ in part if id_.isalnum())
            if quoted:
                rows += map(Recording.of_row, self.recordings(where=f"id IN ({quoted})").to_pylist())
        return rows

    def _write(self, embeddings: Mapping[int, ClipEmbedding]) -> None:
        frames, moments = self.tables.frames, self.tables.moments
        self._on_step("frames")
        frames.add(frame_rows(frames, embeddings))
        self._on_step("moments")
        moments.add(moment_rows(moments, embeddings, self.model.grid))

    def _upsert(self, rows: Sequence[Recording]) -> None:
        self._on_step("recordings")
        table = self.tables.recordings
        values = [row.row() for row in rows]
        columns = columns_table(table, {name: [row.get(name) for row in values] for name in table.schema.names})
        table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(columns)

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
    for batch in all_rows(table).select(["generation"]).to_batches():
        distinct.update(np.unique(batch["generation"].to_numpy()).tolist())
    return distinct


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
