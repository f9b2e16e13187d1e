from pathlib import Path

import numpy as np
import pytest

from service.library import block_curves
from service.library.block_curves import BlockCurves
from service.library.frame_blocks import BLOCK_FRAMES
from service.library.snapshot import Snapshots
from service.library.store import Library
from tests.library_parts import frames_of, make_library, new_recording

QUERY = np.eye(9, dtype=np.float32)[:1]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 1_000), new_recording("/b", b"b", 1_000)])
    return library


def test_curves_are_the_similarities_of_the_stored_frames_and_each_block_is_read_once(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_curves, "_CHUNK_FRAMES", 100)
    snapshot, read = Snapshots(library).read(), list[int]()
    read_ranges = block_curves.read_ranges

    def counting(library, ranges):
        read.extend(number for each in ranges for number in each.ids)
        return read_ranges(library, ranges)

    monkeypatch.setattr(block_curves, "read_ranges", counting)
    curves = BlockCurves(library, snapshot, QUERY)
    rows = library.recordings(["path", "generation"]).to_pylist()
    paths = {int(np.searchsorted(snapshot.generations, row["generation"])): row["path"] for row in rows}
    for ranges in ([(0, 3, 5), (1, 0, 16)], [(0, 1, 8)], [(0, 0, 16), (1, 2, 4)]):
        for (row, begin, end), curve in zip(ranges, curves.read(ranges), strict=True):
            frames = frames_of(paths[row][1:].encode(), 1_000)[begin * BLOCK_FRAMES : end * BLOCK_FRAMES]
            assert curve is not None
            np.testing.assert_allclose(curve, frames[:, 0], atol=1e-6)
    assert len(read) == len(set(read)) == 32


def test_a_removed_recording_has_no_curve(library: Library) -> None:
    curves = BlockCurves(library, Snapshots(library).read(), QUERY)
    library.remove(library.recordings(["id"])["id"].to_pylist())
    assert curves.read([(0, 0, 2), (1, 1, 3)]) == [None, None]
    assert curves.read([]) == []
