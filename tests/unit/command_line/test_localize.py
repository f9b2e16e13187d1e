import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.__main__ import main
from tests.clips import encoded, tones, wav


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "street.flac"
    waveform = tones([("low", 0.4, 1.2), ("middle", 1.0, 2.0), ("low", 3.0, 3.6)], 4.3)
    path.write_bytes(encoded(waveform, container="FLAC"))
    return path


@pytest.fixture
def localize(clip: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["localize", "--bundle", str(tiny_bundle), str(clip), *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_the_table_lists_each_query_with_its_segments(localize) -> None:
    status, out, err = localize("a low tone", "high")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "street.flac, 4.30 s, heard by tiny 1"
    assert lines[2].split() == ["query", "present", "score", "segments"]
    assert lines[4].startswith("a low tone  yes      1.00       0.40 to     1.20 s  score 1.00")
    assert lines[5].strip().startswith("3.00 to     3.60 s")
    assert lines[6].split() == ["high", "no", "0.00", "-"]


def test_json_is_the_answer_of_the_service_with_both_curves(localize) -> None:
    answer = json.loads(localize("--json", "low")[1])
    assert answer["clip"]["duration_s"] == pytest.approx(4.3)
    assert answer["model"] == {"name": "tiny", "version": "1"}
    assert answer["hop_s"] == 0.04
    (result,) = answer["results"]
    assert len(result["score"]) == len(result["similarity"]) == 108
    assert [segment["onset_s"] for segment in result["segments"]] == pytest.approx([0.4, 3.0], abs=0.05)


def test_csv_has_a_row_for_each_segment(localize) -> None:
    rows = list(csv.DictReader(io.StringIO(localize("--csv", "low", "high", "middle, a tone")[1])))
    assert [row["query"] for row in rows] == ["low", "low", "middle, a tone"]
    assert float(rows[1]["onset_s"]) == pytest.approx(3.0, abs=0.05)


def test_audacity_labels_are_in_order_of_time(localize) -> None:
    lines = [line.split("\t") for line in localize("--audacity", "middle", "low")[1].splitlines()]
    assert [label for *_, label in lines] == ["low", "middle", "low"]
    assert all(float(onset) < float(offset) for onset, offset, _ in lines)


def test_postprocessing_options_take_effect(localize) -> None:
    assert " no " in localize("zebra", "--threshold", "0.99")[1]
    assert " no " in localize("low", "--min-duration-s", "3")[1]


@pytest.mark.parametrize("name", ["out.png", "out.svg"])
def test_the_plot_is_drawn_beside_the_table(localize, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    status, out, _ = localize("low", "high", "--plot", str(path))
    assert status == 0
    assert out.startswith("street.flac")
    assert path.stat().st_size > 5_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["low", "--threshold", "1.5"], "threshold is 1.5; accepted: 0 to 1"),
        (["?!"], "query 1 is '?!', which has no word"),
        (["low", "--plot", "out.gif"], "--plot is out.gif; accepted: a name that ends with .png, .svg, .pdf"),
        (["low", "--bundle", "/nowhere"], "bundle /nowhere has no manifest.json"),
    ],
)
def test_an_unusable_argument_gives_one_line_and_status_2(localize, arguments: list[str], message: str) -> None:
    status, out, err = localize(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"earmark: {message}")
    assert err.count("\n") == 1


def test_a_clip_that_is_missing_or_not_audio_gives_a_message(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, text = tmp_path / "missing.wav", tmp_path / "text.wav"
    text.write_text("no audio")
    assert main(["localize", "--bundle", str(tiny_bundle), str(missing), "low"]) == 2
    assert capsys.readouterr().err == f"earmark: {missing}: No such file or directory\n"
    assert main(["localize", "--bundle", str(tiny_bundle), str(text), "low"]) == 2
    assert "in no known audio container" in capsys.readouterr().err


def test_a_query_that_is_not_utf8_gives_a_message(localize, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        localize("dog \udcff")
    assert "is not UTF-8" in capsys.readouterr().err


def test_a_closed_output_ends_the_command_quietly(clip: Path, tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "service", "localize", "--bundle", str(tiny_bundle), str(clip), "low"]
    ended, writing = os.pipe()
    os.close(ended)
    with os.fdopen(writing, "wb") as out:
        run = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, cwd=Path(__file__).parents[3])
    assert (run.returncode, run.stderr) == (0, b"")


def test_a_plot_without_matplotlib_says_how_to_install_it(localize, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, err = localize("low", "--plot", "out.png")
    assert status == 2
    assert err == "earmark: --plot needs matplotlib: pip install 'earmark[plot]'\n"


def test_the_command_imports_no_torch_matplotlib_or_server_packages(tmp_path: Path, tiny_bundle: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(wav(np.zeros(16_000, np.float32)))
    code = (
        "import sys; from service.__main__ import main; "
        f"main(['localize', '--bundle', {str(tiny_bundle)!r}, {str(clip)!r}, 'low']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'training', 'fastapi', 'uvicorn', 'pydantic')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(__file__).parents[3])
