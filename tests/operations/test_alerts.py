"""The alert rules in promtool."""

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*_test.yml")), ids=lambda file: file.stem)
def test_the_alert_rules_pass_their_unit_tests(file: Path) -> None:
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
