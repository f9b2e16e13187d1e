"""The tests that run an operator's programs: CI installs the programs and runs the tests, and `make test` does not."""

import re
import tomllib
from pathlib import Path

from tests.browser.conftest import DEBIAN_PACKAGE
from tests.operations.programs import DEBIAN_PACKAGES

ROOT = Path(__file__).parents[2]
CI = (ROOT / ".ci" / "run").read_text()


def test_ci_installs_every_program_without_starting_daemons_and_runs_the_tests() -> None:
    installed = set(re.findall(r"need\+=\(([^)]*)\)", CI))
    assert set(DEBIAN_PACKAGES.values()) - installed <= {"redis-tools"}  # redis-server depends on it
    assert DEBIAN_PACKAGE in installed
    assert "RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install" in CI
    assert "\nmake operations-check || make operations-check ARGS=--last-failed\n" in CI
    assert "\nmake browser-check || make browser-check ARGS=--last-failed\n" in CI
    assert "\nmake ray-check || make ray-check ARGS=--last-failed\n" in CI
    assert "\nmake image-check ARGS=--if-possible\n" in CI


def test_every_folder_of_tests_is_collected_except_those_of_other_commands() -> None:
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    folders = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").iterdir() if any(path.glob("**/test_*.py"))
    }
    assert folders - set(paths) == {"tests/browser", "tests/cluster", "tests/operations"}
