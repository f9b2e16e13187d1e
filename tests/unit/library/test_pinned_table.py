from pathlib import Path

from service.library.pinned_table import PinnedTable
from service.library.tables import FRAMES
from tests.library_parts import make_library, new_recording


def test_the_table_stays_as_it_is_until_the_latest_is_wanted_again(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    pinned = PinnedTable(library.tables, FRAMES)
    table = pinned.latest()
    assert pinned.latest() is table
    library.add([new_recording("/a", b"a", 100)])
    assert table.count_rows() == 0
    assert (pinned.latest().count_rows(), library.tables.frames.count_rows()) == (2, 2)
