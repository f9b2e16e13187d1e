"""The three LanceDB tables of a library. No other module imports LanceDB.

LanceDB (https://lancedb.github.io/lancedb/) runs inside the process, keeps columns in files or in an object store, and each
write is one atomic commit of one table, which readers see whole or not at all.
"""

import json
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from service.core.library_errors import LibraryDamaged
from service.core.start_errors import LibraryFormatUnknown, LibraryMissing, LibraryUnavailable
from service.library.moments import padded_dimension
from service.library.recording import LibraryModel

FORMAT = "2"
RECORDINGS, FRAMES, MOMENTS = "recordings", "frames", "moments"
_FORMAT_KEY, _MODEL_KEY = b"earmark.format", b"earmark.model"
_INDEX_CACHE_BYTES = 256 * 2**20
_METADATA_CACHE_BYTES = 64 * 2**20
_UNCOMPRESSED = {"lance-encoding:compression": "none"}
"""LanceDB compresses long binary values otherwise. That makes frames 8 % smaller, but reading them takes 2.5 times as long."""
_CRASHES = ("PanicException", "RustPanic")
"""Names of the errors of a failed check in LanceDB's native code: called directly, which is no `Exception`, and awaited."""
_MAX_REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class Tables:
    """The open tables of a library.

    Attributes:
        location: Folder or URI of the library.
        recordings: One row for each recording.
        frames: Blocks of frame embeddings; see `service.library.frame_blocks`.
        moments: Moment vectors; see `service.library.moments`.
        database: The connection that the tables belong to.
    """

    location: str
    recordings: Any
    frames: Any
    moments: Any
    database: Any

    def version(self, name: str) -> int:
        """The latest version of a table."""
        return getattr(self, name).version

    def open_at(self, name: str, version: int) -> Any:
        """A table as it is at a version, whatever is written later."""
        table = self.database.open_table(name)
        table.checkout(version)
        return table

    @property
    def model(self) -> LibraryModel:
        """The model with which the library was indexed."""
        with reporting_damage(self.location):
            facts: dict[bytes, bytes] = self.recordings.schema.metadata or {}
        came = facts.get(_FORMAT_KEY, b"none").decode()
        if came != FORMAT:
            raise LibraryFormatUnknown(self.location, came, FORMAT)
        return LibraryModel(**json.loads(facts[_MODEL_KEY]))


def is_object_store(location: str) -> bool:
    """Whether a location is a URI, such as s3://bucket/library, instead of a folder."""
    return "://" in location


def open_tables(location: str) -> Tables:
    """Opens the tables of an existing library.

    Raises:
        LibraryMissing: If there is no library.
        LibraryUnavailable: If LanceDB is not installed.
        LibraryDamaged: If a table is missing or cannot be opened.
    """
    if not is_object_store(location) and not Path(location, f"{RECORDINGS}.lance").is_dir():
        raise LibraryMissing(location)
    with reporting_damage(location):
        database = _connect(location)
        names = set(database.list_tables(limit=100).tables)
        if RECORDINGS not in names:
            raise LibraryMissing(location)
        recordings, frames, moments = (database.open_table(name) for name in (RECORDINGS, FRAMES, MOMENTS))
        return Tables(location, recordings, frames, moments, database)


def create_tables(location: str, model: LibraryModel) -> Tables:
    """Creates the tables of a library that does not exist yet. The table of recordings, which makes it exist, is last.

    Raises:
        LibraryUnavailable: If LanceDB is not installed.
        LibraryDamaged: If a table cannot be created.
    """
    with reporting_damage(location):
        database = _connect(location)
        for name, schema in _schemas(model).items():
            database.create_table(name, schema=schema, mode="overwrite")  # a killed process may have made some
    return open_tables(location)


def _connect(location: str) -> Any:
    os.environ.setdefault("LANCEDB_LOG", "error")  # its warnings are about new tables
    try:
        import lancedb
    except ModuleNotFoundError as error:
        raise LibraryUnavailable(str(error.name)) from error
    session = lancedb.Session(
        index_cache_size_bytes=_INDEX_CACHE_BYTES, metadata_cache_size_bytes=_METADATA_CACHE_BYTES
    )
    return lancedb.connect(location, read_consistency_interval=timedelta(0), session=session)


def _schemas(model: LibraryModel) -> Mapping[str, Any]:
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs] - it ships none

    arrow: Any = pa
    vector = arrow.list_(arrow.float32(), padded_dimension(model.dimension))
    frames, cells = (arrow.field(name, arrow.large_binary(), metadata=_UNCOMPRESSED) for name in ("frames", "cells"))
    return {
        FRAMES: arrow.schema(
            [("block_id", arrow.int64()), ("generation", arrow.int64()), ("crc32", arrow.int64()), frames]
        ),
        MOMENTS: arrow.schema(
            [
                ("generation", arrow.int64()),
                ("first_frame", arrow.int32()),
                ("end_frame", arrow.int32()),
                ("vector", vector),
                cells,
            ]
        ),
        RECORDINGS: arrow.schema(
            {
                "id": arrow.string(),
                "path": arrow.string(),
                "clip_id": arrow.string(),
                "n_bytes": arrow.int64(),
                "modified_ns": arrow.int64(),
                "duration_s": arrow.float64(),
                "n_frames": arrow.int64(),
                "generation": arrow.int64(),
                "warnings": arrow.string(),
            },
            metadata={_FORMAT_KEY: FORMAT.encode(), _MODEL_KEY: json.dumps(asdict(model)).encode()},
        ),
    }


def columns_table(table: Any, columns: Mapping[str, Any]) -> Any:
    """An Arrow table of values for some or all columns of a table, with the types of the table."""
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs] - it ships none

    arrow: Any = pa
    schema = table.schema
    return arrow.table(
        [arrow.array(values, schema.field(name).type) for name, values in columns.items()],
        schema=arrow.schema([schema.field(name) for name in columns]),
    )


def vector_column(vectors: Any) -> Any:
    """An Arrow array of moment vectors, from an array of shape (M, P)."""
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs] - it ships none

    arrow: Any = pa
    return arrow.FixedSizeListArray.from_arrays(arrow.array(vectors.ravel()), vectors.shape[1])


def metadata_fields(columns: Mapping[str, type]) -> list[Any]:
    """Arrow fields of columns of metadata, which are texts (`str`) or numbers (`float`)."""
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs] - it ships none

    arrow: Any = pa
    return [arrow.field(name, arrow.string() if kind is str else arrow.float64()) for name, kind in columns.items()]


def all_rows(table: Any) -> Any:
    """A query for all rows of a table, also for rows that are added meanwhile. Without a limit, LanceDB returns 10 rows."""
    return table.search().limit(table.count_rows() + 1_000_000)


def number_list(numbers: Iterable[int]) -> str:
    """A list of integers in SQL, for IN."""
    return f"({', '.join(map(str, numbers))})"


def in_portions(numbers: Sequence[int], size: int = 1000) -> Iterable[Sequence[int]]:
    """Cuts a sequence into parts of at most `size` items."""
    return (numbers[begin : begin + size] for begin in range(0, len(numbers), size))


@contextmanager
def reporting_damage(location: str) -> Generator[None]:
    """Raises `LibraryDamaged` instead of the errors, and of the crashes inside, of LanceDB."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, LookupError) as error:  # Arrow's errors are ValueError or OSError
        raise LibraryDamaged(location, _first_line(error)) from error
    except BaseException as error:
        if type(error).__name__ not in _CRASHES:
            raise
        raise LibraryDamaged(location, _first_line(error)) from error


def _first_line(error: BaseException) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= _MAX_REASON_CHARS else line[: _MAX_REASON_CHARS - 3] + "..."
