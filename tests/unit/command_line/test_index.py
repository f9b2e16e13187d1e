import io
import json
from pathlib import Path

import pytest

from service.__main__ import main
from service.command_line.index import ProgressLine
from service.library.contents import check_frames
from service.library.store import open_library
from tests.clips import encoded, tones, wav


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.wav").write_bytes(wav(tones([("low", 0.4, 1.2)], 4.3)))
    (folder / "sub/b.flac").write_bytes(encoded(tones([("high", 2, 3)], 6), container="FLAC"))
    (folder / "broken.wav").write_bytes(b"RIFF....WAVEjunk")
    (folder / "notes.txt").write_text("no sound")
    (folder / "table.csv").write_text("path,site\na.wav,north\nsub/b.flac,south\nno.wav,x\n")
    return folder


def test_recordings_are_indexed_and_the_broken_one_is_named(
    folder: Path, tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library = str(folder.parent / "library")
    command = ["index", library, f"{folder}/**/*", "--bundle", str(tiny_bundle)]
    with pytest.raises(SystemExit) as caught:
        main([*command, "--metadata", str(folder / "table.csv")])
    assert caught.value.code == 1
    out, err = capfd.readouterr()
    assert out.startswith("2 recordings of 0.00 h indexed in ")
    assert out.endswith(", 0 unchanged, 1 refused, 2 files that are no recordings skipped\n")
    assert f"refused: {folder}/broken.wav: clip is WAV without a fmt chunk" in err
    assert "1 row of" in err
    assert len(err.splitlines()) == 2
    opened = open_library(library)
    assert check_frames(opened) == 108 + 150
    assert sorted(opened.recordings(["site"])["site"].to_pylist()) == ["north", "south"]
    (folder / "broken.wav").unlink()
    assert main(command) == 0
    assert "0 recordings of 0.00 h indexed" in capfd.readouterr().out


def test_library_commands_show_remove_and_compact(
    folder: Path, tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library = str(folder.parent / "library")
    (folder / "broken.wav").unlink()
    assert main(["index", library, str(folder), "--bundle", str(tiny_bundle)]) == 0
    assert main(["library", "info", library, "--check", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (facts["recordings"], facts["frames"], facts["checked_frames"]) == (2, 258, 258)
    assert main(["library", "remove", library, str(folder / "a.wav"), "nothing"]) == 2
    assert "no recording 'nothing'" in capfd.readouterr().err
    assert main(["library", "remove", library, str(folder / "a.wav")]) == 0
    assert main(["library", "compact", library]) == 0
    assert main(["library", "info", library]) == 0
    out = capfd.readouterr().out
    assert "recordings: 1\n" in out
    assert "metadata: none\n" in out


def test_what_cannot_be_used_is_reported_before_any_work(
    folder: Path, tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library = str(folder.parent / "library")
    assert main(["library", "info", library]) == 2
    assert "has no library" in capfd.readouterr().err
    assert main(["index", library, f"{folder}/*.none"]) == 2
    assert "no file matches" in capfd.readouterr().err
    assert main(["index", library, str(folder), "--metadata", str(folder / "a.wav")]) == 2
    assert "not UTF-8" in capfd.readouterr().err
    assert main(["index", library, str(folder), "--bundle", str(folder)]) == 2
    assert "has no manifest.json" in capfd.readouterr().err
    assert not Path(library).exists()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_that_is_drawn_again_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("service.command_line.index.time.monotonic", lambda: now_s)
    terminal, pipe = _Terminal(), io.StringIO()
    lines = [ProgressLine(400, terminal), ProgressLine(400, pipe)]
    for _ in range(2):
        now_s += 10
        for line in lines:
            line.advance(100, 1800)
    for line in lines:
        line.refuse("/x.wav", "it is broken")
        line.end()
    drawn = terminal.getvalue()
    assert (
        "\rearmark: 1.00 h indexed, 0.050 hours/s, about 20 s left\nearmark: refused: /x.wav: it is broken\n" in drawn
    )
    assert drawn.count("\r") == 2
    assert pipe.getvalue() == "earmark: refused: /x.wav: it is broken\n"  # a line every 30 s elsewhere
