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
from service.command_line.localize import with_output_files
from service.command_line.output import write_warnings
from service.core.warnings import AnswerWarning
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


@pytest.mark.parametrize("name", ["out.png", "out.svg", "out.pdf"])
def test_the_labels_of_a_plot_are_taken_literally(clip: Path, tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    odd = clip.rename(tmp_path / "costs $5 $x^{$ \\frac{.flac")
    queries = ["costs $5 and $6", "$\\frac{1}{$", "a_b^c $$", "犬 {low}", r"\textbf{low} % # & ~"]
    path = tmp_path / name
    arguments = ["localize", "--bundle", str(tiny_bundle), str(odd), *queries, "--plot", str(path)]
    assert main(arguments) == 0
    assert path.stat().st_size > 5_000


def test_the_warnings_of_the_answer_go_to_standard_error(localize) -> None:
    status, out, err = localize("--json", "low", "ein Hund bellt", "low " * 100)
    assert status == 0
    assert [len(result["warnings"]) for result in json.loads(out)["results"]] == [0, 1, 1]
    lines = err.splitlines()
    assert lines[0].startswith("earmark: warning: query 2: the query seems to be in another language (German)")
    assert lines[1].startswith("earmark: warning: query 3: the query is too long: its first 16 of 100 words")
    assert len(lines) == 2


def test_warnings_about_the_clip_say_where(
    tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warnings = (AnswerWarning("sound-lost", "sound is damaged", 1.5, 2.25), AnswerWarning("clipped", "it is clipped"))
    write_warnings(warnings, ())
    assert capsys.readouterr().err == (
        "earmark: warning: sound is damaged (1.50 to 2.25 s)\nearmark: warning: it is clipped\n"
    )


def test_a_second_recording_is_refused_in_one_line(localize, tmp_path: Path) -> None:
    second = tmp_path / "second.wav"
    second.write_bytes(wav(np.zeros(1_600, np.float32)))
    status, out, err = localize(str(second), "low")
    assert (status, out) == (2, "")
    assert err.startswith(f"earmark: query 1 is {second}, an audio file; accepted: one recording")
    assert err.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_recording_from_a_pipe_and_a_terminal_of_any_encoding(clip: Path, tiny_bundle: Path, encoding: str) -> None:
    command = [sys.executable, "-m", "service", "localize", "--bundle", str(tiny_bundle), "-", "low", "犬"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    run = subprocess.run(
        command, input=clip.read_bytes(), capture_output=True, env=environment, cwd=Path(__file__).parents[3]
    )
    lines = run.stdout.decode(encoding).splitlines()
    assert run.returncode == 0
    assert lines[0] == "standard input, 4.30 s, heard by tiny 1"
    assert set(lines[3]) == {"─" if encoding == "utf-8" else "-", " "}
    assert lines[-1].startswith("犬" if encoding == "utf-8" else "\\u72ac")
    assert b"Traceback" not in run.stderr
    assert b"query 2" in run.stderr


def test_json_is_utf8_on_a_terminal_of_any_encoding(clip: Path, tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "service", "localize", "--bundle", str(tiny_bundle), str(clip), "low é", "--json"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, capture_output=True, env=environment, cwd=Path(__file__).parents[3], check=True)
    assert json.loads(run.stdout.decode())["results"][0]["query"] == "low é"


def test_a_query_cannot_control_the_terminal(localize) -> None:
    assert "\x1b" not in localize("low \x1b]0;title\x07 \x1b[31m")[1]


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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["localize", "a.wav", "--csv", "out.csv"], ["localize", "a.wav", "--csv=out.csv"]),
        (["localize", "a.wav", "--csv", "OUT.CSV", "b.csv"], ["localize", "a.wav", "--csv=OUT.CSV", "b.csv"]),
        (["localize", "a.wav", "--csv", "a dog"], ["localize", "a.wav", "--csv=", "a dog"]),
        (["localize", "a.wav", "a dog", "--csv"], ["localize", "a.wav", "a dog", "--csv="]),
        (["search", "library", "a dog", "--csv"], ["search", "library", "a dog", "--csv"]),
    ],
)
def test_a_word_behind_csv_is_a_file_only_if_it_ends_so(arguments: list[str], expected: list[str]) -> None:
    assert with_output_files(arguments) == expected


def test_queries_may_stand_behind_the_options(localize) -> None:
    assert localize("low", "--json", "high")[0] == 0
