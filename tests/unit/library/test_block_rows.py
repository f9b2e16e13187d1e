from pathlib import Path

import numpy as np

from service.library.block_rows import BlockAddresses, BlockRows
from service.library.store import Library
from tests.library_parts import make_library, new_recording


def _ids(library: Library) -> np.ndarray:
    return np.sort(library.tables.frames.to_arrow()["block_id"].to_numpy())


def _check(library: Library, rows: BlockRows, ids: np.ndarray) -> None:
    """Compares the rows of some blocks with the whole table."""
    stored = {row["block_id"]: (row["crc32"], row["frames"]) for row in library.tables.frames.to_arrow().to_pylist()}
    expected = {int(block_id): stored[block_id] for block_id in ids.tolist() if block_id in stored}
    found = rows.read(ids).to_pylist()
    assert {row["block_id"]: (row["crc32"], row["frames"]) for row in found} == expected
    assert len(found) == len(expected)


def test_addresses_are_those_of_the_blocks_that_exist(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    assert BlockAddresses.of_table(library.tables.frames).rows_of(np.array([5])).tolist() == []
    library.add([new_recording("/a", b"a", 1_000), new_recording("/b", b"b", 10)])
    library.add([new_recording("/c", b"c", 200)])
    addresses = BlockAddresses.of_table(library.tables.frames)
    assert len(addresses.first_ids) == 3  # a run for each recording
    ids = _ids(library)
    rows = addresses.rows_of(np.concatenate([ids[:1] - 1, ids, ids[-1:] + 1]))
    found = library.tables.frames.take_row_ids(rows.tolist()).select(["block_id"]).to_arrow()
    assert sorted(found["block_id"].to_pylist()) == ids.tolist()


def test_blocks_are_the_same_with_and_without_addresses_whatever_is_written(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    queried, addressed = BlockRows(library.tables), BlockRows(library.tables)
    queried._queried_s = -1e9  # it never pays to read addresses
    gone = np.zeros(0, np.int64)
    for step in range(4):
        library.add([new_recording(f"/{step}", str(step).encode(), 300 + 64 * step)])
        if step == 2:
            gone = _ids(library)
            library.remove(library.recordings(["id"], "path = '/1'")["id"].to_pylist())
            library.compact()
        wanted = np.unique(np.concatenate([_ids(library)[::2], gone, [3]]))
        addressed._queried_s = 1e9  # it pays to read them at once
        for rows in (addressed, queried, addressed):
            _check(library, rows, wanted)
        known = addressed._known
        assert known is not None
        assert known.version == library.tables.frames.version
    assert queried._known is None


def test_addresses_of_an_old_version_are_not_used(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 500), new_recording("/b", b"b", 500)])
    rows = BlockRows(library.tables)
    rows._queried_s = 1e9
    ids = _ids(library)
    _check(library, rows, ids)
    rows._cost_s = 1e9  # so it does not pay to read them again
    library.remove(library.recordings(["id"], "path = '/a'")["id"].to_pylist())
    library.compact()
    _check(library, rows, ids)
