from dataclasses import replace
from pathlib import Path

import numpy as np

from service.library.snapshot import Snapshots
from tests.library_parts import make_library, new_recording


def test_a_snapshot_is_kept_until_the_library_changes(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    snapshots = Snapshots(library)
    assert snapshots.read().rows_of(np.array([1, 2])).tolist() == [-1, -1]
    library.add([new_recording("/a", b"a", 30), new_recording("/b", b"b", 50)])
    first = snapshots.read()
    assert snapshots.read() is first
    assert first.covers_all
    assert (sorted(first.n_frames.tolist()), first.searched_s) == ([30, 50], 80 * 0.04)
    part = snapshots.read("(`path` = '/b')")
    assert (part.n_frames.tolist(), part.n_in_library, part.covers_all) == ([50], 2, False)
    generation = int(part.generations[0])
    assert part.rows_of(np.array([generation, generation + 1, 0])).tolist() == [0, -1, -1]
    assert snapshots.recordings([generation, 5])[generation].path == "/b"
    library.remove(library.recordings(["id"])["id"].to_pylist())
    assert len(snapshots.read().generations) == 0


def test_only_a_few_snapshots_are_kept(tmp_path: Path) -> None:
    snapshots = Snapshots(make_library(tmp_path))
    for number in range(20):
        snapshots.read(f"(`path` = '{number}')")
    assert len(snapshots._kept) == 8


def test_rows_are_read_again_when_they_change(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 30), new_recording("/b", b"b", 50)])
    snapshots = Snapshots(library)
    generations = snapshots.read().generations.tolist()
    rows = snapshots.recordings(generations)
    assert snapshots.recordings(generations[:1]) == {generations[0]: rows[generations[0]]}
    library.add_metadata_columns({"site": str}, "t.csv")
    library.update([replace(row, metadata={"site": "north"}) for row in rows.values()])
    assert {row.metadata["site"] for row in snapshots.recordings(generations).values()} == {"north"}
    library.remove([rows[generations[0]].id])
    assert set(snapshots.recordings(generations)) == {generations[1]}
