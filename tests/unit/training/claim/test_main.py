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


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--shares", "1.5", r"--shares has 1\.5; 0 to 1 is accepted"),
        ("--lengths", "-1", "--lengths has -1; numbers above 0"),
        ("--lengths", "nan", "--lengths has nan; numbers above 0"),
        ("--lengths", "1e-9", "leaves both no step"),
        ("--cached", "0", "--cached is 0; at least 1"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused_before_any_work(
    option: str, value: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["both", "--data", str(tmp_path), "--out", str(tmp_path / "out"), f"{option}={value}"])
    assert not (tmp_path / "out").exists()
