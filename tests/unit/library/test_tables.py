import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.core.library_errors import LibraryDamaged
from service.core.start_errors import LibraryFormatUnknown, LibraryMissing
from service.library.tables import (
    RECORDINGS,
    create_tables,
    in_portions,
    is_object_store,
    number_list,
    open_tables,
    reporting_damage,
)
from tests.library_parts import MODEL, make_library, new_recording


def test_a_library_remembers_its_model(tmp_path: Path) -> None:
    create_tables(str(tmp_path), MODEL)
    assert open_tables(str(tmp_path)).model == MODEL


def test_a_folder_without_tables_is_no_library_and_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing, match="earmark index"):
        open_tables(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_library_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_tables(str(tmp_path), MODEL)
    monkeypatch.setattr("service.library.tables.FORMAT", "3")
    with pytest.raises(LibraryFormatUnknown, match="format 2; accepted: 3"):
        _ = open_tables(str(tmp_path)).model


def test_a_library_whose_files_are_damaged_is_reported(tmp_path: Path) -> None:
    create_tables(str(tmp_path), MODEL)
    for manifest in (tmp_path / f"{RECORDINGS}.lance/_versions").iterdir():
        manifest.write_bytes(b"no manifest")
    with pytest.raises(LibraryDamaged, match="damaged"):
        open_tables(str(tmp_path))


@pytest.mark.parametrize("error", [RuntimeError("a\nb"), OSError("a b"), ValueError("a b"), KeyError("a b")])
def test_errors_of_the_engine_are_damage_and_their_text_is_one_short_line(error: Exception) -> None:
    with pytest.raises(LibraryDamaged, match="a b"), reporting_damage("lib"):
        raise error
    with pytest.raises(LibraryDamaged) as caught, reporting_damage("lib"):
        raise RuntimeError("x" * 5_000)
    assert len(caught.value.reason) <= 200


def test_a_crash_in_the_native_code_is_damage_and_an_interruption_is_not() -> None:
    class PanicException(BaseException): ...

    class RustPanic(Exception): ...  # noqa: N818 - the name of PyO3

    for crash in (PanicException, RustPanic):
        with pytest.raises(LibraryDamaged, match="index"), reporting_damage("lib"):
            raise crash("index out of bounds")
    with pytest.raises(KeyboardInterrupt), reporting_damage("lib"):
        raise KeyboardInterrupt


def test_without_lancedb_the_message_names_the_extra(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['lancedb'] = None; from service.library.tables import create_tables;"
        "from tests.library_parts import MODEL, make_library, new_recording\n"
        "try: create_tables(sys.argv[1], MODEL)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.startswith("LibraryUnavailable")
    assert "earmark[library]" in done.stdout


def test_lists_for_conditions_and_portions() -> None:
    assert number_list([1, 23]) == "(1, 23)"
    assert [list(part) for part in in_portions([1, 2, 3], 2)] == [[1, 2], [3]]
    assert is_object_store("s3://bucket/x")
    assert not is_object_store("/folder")


def test_frames_and_cells_are_not_compressed(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    recording = new_recording("/a", b"a", 20_000)
    frames = np.zeros_like(recording.embedding.stored)  # zeros compress well
    frames[::64] = recording.embedding.stored[::64]  # but no block is like another
    library.add([replace(recording, embedding=replace(recording.embedding, stored=frames))])
    library.compact()
    assert min(file.stat().st_size for file in (tmp_path / "frames.lance/data").iterdir()) > frames.nbytes
