"""The benchmark of the cluster runs; what it measures is in tests/benchmarks/RESULTS.md."""

import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.benchmarks.distributed import Cost, Workload, report, start_and_speed
from tests.benchmarks.load import ROOT


def test_the_start_of_an_indexing_is_told_from_its_speed() -> None:
    workload = Workload(n_files=120, n_few=60, file_s=60.0)
    figures = start_and_speed(workload, few=Cost(wall_s=20.0, cpu_s=30.0), whole=Cost(wall_s=30.0, cpu_s=45.0))
    assert list(figures.values()) == [30.0, 10.0, 360.0, 15.0]  # an hour takes 10 s, after a start of 10 s
    no_speed = start_and_speed(workload, few=Cost(wall_s=20.0, cpu_s=30.0), whole=Cost(wall_s=19.0, cpu_s=45.0))
    assert math.isnan(no_speed["indexing after the start, hours/h"])


def test_ratios_are_those_of_the_same_round(capsys: pytest.CaptureFixture[str]) -> None:
    report({"one process": [{"new clips": 10.0}, {"new clips": 20.0}], "Ray": [{"new clips": 5.0}, {"new clips": 5.0}]})
    row = "| new clips | 15.0 (10.0 to 20.0) | 5.0 (5.0 to 5.0) | 0.38 (0.25 to 0.50) |"
    assert capsys.readouterr().out.splitlines()[-1] == row


def test_a_figure_of_0_has_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    report({"one process": [{"CPU s/h": 0.0}], "Ray": [{"CPU s/h": 5.0}]})
    assert capsys.readouterr().out.splitlines()[-1].endswith("| nan (nan to nan) |")


@pytest.mark.timeout(900)
def test_every_part_is_measured_on_one_process_and_on_two_nodes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.distributed", str(tmp_path / "out.md"), "--tiny"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=800)
    lines = (tmp_path / "out.md").read_text().splitlines()
    assert lines[2] == "| 2 cores of one machine | one process | Ray, 2 nodes | Ray, 2 nodes to one process |"
    names = Counter(re.split(r"[ ,]", line)[1] for line in lines[4:])
    assert names == {"indexing": 4, "new": 4, "known": 3}
    served = [line for line in lines if re.match(r"\| (new|known)", line)]
    assert not [line for line in served if re.search(r"\| (nan|0\.0 |-)", line)]
