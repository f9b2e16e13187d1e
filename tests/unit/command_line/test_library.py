from pathlib import Path

import pytest

from service.__main__ import main
from tests.library_parts import make_library, new_recording


def test_info_names_the_columns_and_damage_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    library = make_library(tmp_path)
    library.add_metadata_columns({"site": str, "gain": float}, "t.csv")
    library.add([new_recording("/a", b"a", 600)])
    assert main(["library", "info", str(tmp_path), "--check"]) == 0
    out = capfd.readouterr().out
    assert "recordings: 1\n" in out
    assert "checked_frames: 600\n" in out
    assert f"checked_moments: {library.tables.moments.count_rows()}\n" in out
    assert "metadata: site (text), gain (number)\n" in out
    (data,) = (tmp_path / "frames.lance/data").iterdir()
    data.write_bytes(b"")
    assert main(["library", "info", str(tmp_path), "--check"]) == 2
    assert "is damaged" in capfd.readouterr().err
