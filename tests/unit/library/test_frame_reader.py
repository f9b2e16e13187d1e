from pathlib import Path

import numpy as np
import pytest

from service.core.library_errors import LibraryDamaged
from service.library import frame_reader
from service.library.frame_reader import BlockRange, read_ranges
from tests.library_parts import frames_of, make_library, new_recording


def test_ranges_of_blocks_are_read_as_they_were_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_reader, "_BLOCKS_AT_A_TIME", 2)
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 1_000), new_recording("/b", b"b", 10)])
    rows = {row["path"]: row["generation"] for row in library.recordings(["path", "generation"]).to_pylist()}
    ranges = [BlockRange(rows["/a"], 1_000, 1, 4), BlockRange(rows["/b"], 10, 0, 1), BlockRange(7, 10, 0, 1)]
    frames = read_ranges(library, ranges)
    np.testing.assert_array_equal(frames[ranges[0]], frames_of(b"a", 1_000)[64:256])
    np.testing.assert_array_equal(frames[ranges[1]], frames_of(b"b", 10))
    assert frames[ranges[2]] is None  # there is no such recording any more
    with pytest.raises(LibraryDamaged, match="block 20 of /a is missing"):
        read_ranges(library, [BlockRange(rows["/a"], 2_000, 20, 21)])
