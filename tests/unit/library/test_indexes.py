from pathlib import Path

import pytest

from service.library import indexes
from service.library.indexes import has_moment_index, n_partitions
from tests.library_parts import make_library, new_recording


def test_the_number_of_lists_grows_with_the_library_up_to_a_limit() -> None:
    assert [n_partitions(n) for n in (0, 1, 10_000, 10**9)] == [1, 1, 100, indexes.MAX_PARTITIONS]


def test_a_library_gets_indexes_when_it_is_large_and_new_rows_join_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "MIN_MOMENTS", 400)
    monkeypatch.setattr(indexes, "MIN_BLOCKS", 10)
    library = make_library(tmp_path)
    library.update_indexes()
    library.add([new_recording("/a", b"a", 3_000)])
    library.update_indexes()
    assert not has_moment_index(library.tables)
    library.add([new_recording("/b", b"b", 12_000)])
    library.update_indexes()
    assert has_moment_index(library.tables)
    (index,) = library.tables.moments.list_indices()
    for content, n_frames in ((b"c", 5_000), (b"d", 60_000)):  # the second makes the index anew
        library.add([new_recording(f"/{content!r}", content, n_frames)])
        library.update_indexes()
        stats = library.tables.moments.index_stats(index.name)
        assert stats.num_unindexed_rows == 0
        assert stats.num_indexed_rows == library.tables.moments.count_rows()
    assert [list(each.columns) for each in library.tables.frames.list_indices()] == [["block_id"]]
