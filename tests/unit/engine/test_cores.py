from pathlib import Path

import pytest

from service.engine.cores import available_cores, cores_of_quota
from service.engine.options import EngineOptions


def test_at_least_one_core_is_available() -> None:
    assert available_cores() >= 1
    assert EngineOptions().cpu_threads == available_cores()
    assert EngineOptions(intra_op_threads=3).cpu_threads == EngineOptions(intra_op_threads=3).session_threads == 3


@pytest.mark.parametrize(
    ("content", "n_cores"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("5000 100000\n", 1),
        ("", None),
        ("x", None),
    ],
)
def test_the_cpu_limit_of_a_container_is_read(tmp_path: Path, content: str, n_cores: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(content)
    assert cores_of_quota(file, tmp_path / "v1") == n_cores


@pytest.mark.parametrize(("quota", "n_cores"), [("-1", None), ("300000", 3), ("250001", 3), ("none", None)])
def test_the_older_form_of_the_limit_is_read(tmp_path: Path, quota: str, n_cores: int | None) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert cores_of_quota(tmp_path / "missing", tmp_path) == n_cores


def test_without_files_there_is_no_limit(tmp_path: Path) -> None:
    assert cores_of_quota(tmp_path / "missing", tmp_path / "v1") is None
