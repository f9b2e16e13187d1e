from pathlib import Path

import pytest

from training.claim.__main__ import main
from training.claim.driver import Comparison


def arguments(comparison: Comparison) -> list[str]:
    size = comparison.size
    overrides = [word for value in comparison.overrides for word in ("--set", value)]
    numbers = ["--cached", str(size.cached), "--reported", str(size.reported), "--tuning", str(size.tuning)]
    return ["--data", str(comparison.data), "--out", str(comparison.out), *numbers, *overrides]


def test_the_command_runs_variants_and_prints_their_figures(
    finished: Comparison, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["global", "both", *arguments(finished), "--seeds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "global, seed 1, share 1, length 1", "both, seed 1, share 1, length 1",
    ]  # fmt: skip


def test_the_command_prints_the_tables(finished: Comparison, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", *arguments(finished)])
    assert "| both minus global | 1 | " in capsys.readouterr().out


def test_the_report_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["global", "report", "--data", "a", "--out", "b"])
    assert "report stands alone" in capsys.readouterr().err


def test_a_folder_without_a_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"global cannot be run on .*clips\.csv"):
        main(["global", "--data", str(tmp_path), "--out", str(tmp_path / "out")])
