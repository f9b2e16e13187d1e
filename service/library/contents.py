"""What a library holds: totals for people and programs, and a check of all stored frames."""

from pathlib import Path
from typing import Any

import numpy as np

from service.core.library_errors import LibraryDamaged
from service.library.frame_blocks import BlockDamaged, FrameBlock, n_blocks, read_block
from service.library.indexes import has_moment_index
from service.library.store import Library
from service.library.tables import all_rows, is_object_store, reporting_damage


def describe(library: Library) -> dict[str, Any]:
    """The totals of a library."""
    rows = library.recordings(["duration_s", "n_frames"])
    with reporting_damage(library.location):
        n_moments, is_indexed = library.tables.moments.count_rows(), has_moment_index(library.tables)
    model, columns = library.model, library.metadata_columns()
    return {
        "library": library.location,
        "model": model.name,
        "version": model.version,
        "recordings": len(rows),
        "hours": round(float(np.sum(rows["duration_s"].to_numpy())) / 3600, 4),
        "frames": int(np.sum(rows["n_frames"].to_numpy())),
        "dimension": model.dimension,
        "moments": n_moments,
        "indexed": is_indexed,
        "bytes": _size_bytes(library.location),
        "metadata": {name: "text" if kind is str else "number" for name, kind in columns.items()},
    }


def check_frames(library: Library) -> int:
    """Reads all frames of all recordings, and compares them with their checksums.

    Returns:
        The number of frames.

    Raises:
        LibraryDamaged: If a block is damaged, missing or there twice.
    """
    rows = library.recordings(["path", "id", "generation", "n_frames"]).to_pylist()
    left = {row["generation"]: set(range(n_blocks(row["n_frames"]))) for row in rows}
    n_frames = {row["generation"]: row["n_frames"] for row in rows}
    names = {row["generation"]: row["path"] or row["id"] for row in rows}
    with reporting_damage(library.location):
        for batch in all_rows(library.tables.frames).to_batches(batch_size=64):
            for row in batch.to_pylist():
                generation = row["generation"]
                if generation not in left:
                    continue
                block = FrameBlock(row["block_id"] - generation, row["frames"], row["crc32"])
                if block.number not in left[generation]:
                    reason = f"block {block.number} of {names[generation]} is there twice"
                    raise LibraryDamaged(library.location, reason)
                left[generation].discard(block.number)
                try:
                    read_block(block, n_frames[generation], library.model.dimension)
                except BlockDamaged as error:
                    raise LibraryDamaged(library.location, f"{error} of {names[generation]}") from error
    missing = next((generation for generation, blocks in left.items() if blocks), None)
    if missing is not None:
        raise LibraryDamaged(library.location, f"{len(left[missing])} blocks of {names[missing]} are missing")
    return sum(n_frames.values())


def _size_bytes(location: str) -> int | None:
    """Size of all files of a library in a folder, in bytes."""
    if is_object_store(location):
        return None
    return sum(path.stat().st_size for path in Path(location).rglob("*") if path.is_file())
