import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.__main__ import main


def test_the_help_names_both_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    out = capsys.readouterr().out
    assert exit_.value.code == 0
    assert "localize" in out
    assert "serve" in out


def test_a_missing_subcommand_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_an_unusable_setting_stops_serve_with_status_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARMARK_PORT", "eighty")
    assert main(["serve"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("earmark: EARMARK_PORT is 'eighty'; accepted: ")
    assert err.count("\n") == 1


def test_localize_does_not_read_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARMARK_PORT", "eighty")
    missing = tmp_path / "missing.wav"
    assert main(["localize", str(missing), "a dog"]) == 2
    assert capsys.readouterr().err == f"earmark: {missing}: No such file or directory\n"


def test_a_file_error_names_the_file_and_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queries = str(tmp_path)
    assert main(["localize", "clip.wav", "a dog", "--queries", queries]) == 2
    assert capsys.readouterr().err == f"earmark: {queries}: {os.strerror(errno.EISDIR)}\n"


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert re.fullmatch(r"earmark [0-9]+[^ ]*\n", capsys.readouterr().out)


@pytest.mark.parametrize("arguments", [["localize", "clip.wav", "a dog"], ["serve"]])
def test_without_onnx_runtime_one_line_says_what_to_install(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None; from service.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "EARMARK_PORT": "0"}
    (tmp_path / "clip.wav").write_bytes(b"RIFF")
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("earmark: ONNX Runtime is not installed: pip install 'earmark[cpu]'")
    assert run.stderr.count("\n") == 1


def test_the_help_needs_no_onnx_runtime(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None; from service.__main__ import main; main(['localize', '--help'])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (run.returncode, run.stderr) == (0, "")
