from pathlib import Path

import pytest

from service.core.library_errors import LibraryDamaged
from service.library.contents import check_frames, describe
from tests.library_parts import make_library, new_recording


def test_the_totals_of_a_library(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add_metadata_columns({"site": str}, "t.csv")
    library.add([new_recording("/a", b"a", 300), new_recording("/b", b"b", 45_000)])
    facts = describe(library)
    assert (facts["recordings"], facts["frames"], facts["hours"]) == (2, 45_300, 0.5033)
    assert (facts["model"], facts["version"], facts["dimension"]) == ("fake", "1", 9)
    assert facts["metadata"] == {"site": "text"}
    assert facts["bytes"] > 45_300 * 9 * 2
    assert facts["moments"] >= 45_300 / 25
    assert facts["indexed"] is False


def test_missing_and_changed_blocks_are_found(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 600)])
    assert check_frames(library) == 600
    (generation,) = library.recordings(["generation"])["generation"].to_pylist()
    library.tables.frames.update(where=f"block_id = {generation + 1}", values={"crc32": 5})
    with pytest.raises(LibraryDamaged, match="frames 64 to 128 of /a"):
        check_frames(library)
    library.tables.frames.delete(f"block_id = {generation + 1}")
    with pytest.raises(LibraryDamaged, match="1 blocks of /a are missing"):
        check_frames(library)


def test_a_block_that_is_there_twice_is_found(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 60)])
    library.tables.frames.add(library.tables.frames.to_arrow())
    with pytest.raises(LibraryDamaged, match="block 0 of /a is there twice"):
        check_frames(library)


@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_a_corrupted_fragment_is_reported(cut: float, tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 6000)])
    (data,) = (tmp_path / "frames.lance/data").iterdir()
    content = data.read_bytes()
    data.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(LibraryDamaged):
        check_frames(library)


def test_flipped_bytes_of_a_fragment_are_reported(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    library.add([new_recording("/a", b"a", 6000)])
    (data,) = (tmp_path / "frames.lance/data").iterdir()
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(content)
    with pytest.raises(LibraryDamaged):
        check_frames(library)
