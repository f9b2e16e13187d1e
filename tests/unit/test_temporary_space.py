import errno
import os
import tempfile
from pathlib import Path

import pytest

from service.core.errors import DescriptorsExhausted, TemporarySpaceFull
from service.core.start_errors import TemporarySpaceUnavailable
from service.temporary_space import check_temporary_space, degraded, storage_errors


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", None)  # restores the directory that the check sets
    directory = tmp_path / "temporary"
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


def test_a_writable_directory_is_checked_and_used(directory: Path) -> None:
    directory.mkdir()
    check_temporary_space()
    assert tempfile.gettempdir() == str(directory)
    assert degraded() == []
    assert list(directory.iterdir()) == []


def test_a_missing_directory_stops_the_start_instead_of_being_replaced(directory: Path) -> None:
    with pytest.raises(TemporarySpaceUnavailable, match=str(directory)):
        check_temporary_space()


def test_a_directory_that_vanishes_is_reported_as_degraded(directory: Path) -> None:
    directory.mkdir()
    check_temporary_space()
    directory.rmdir()
    assert degraded() == ["temporary-space"]


@pytest.mark.parametrize(
    ("error_number", "expected"),
    [
        (errno.EMFILE, DescriptorsExhausted),
        (errno.ENFILE, DescriptorsExhausted),
        (errno.ENOSPC, TemporarySpaceFull),
        (errno.EDQUOT, TemporarySpaceFull),
        (errno.ENOENT, TemporarySpaceFull),
    ],
)
def test_failures_to_write_become_errors_for_the_caller(
    directory: Path, error_number: int, expected: type[Exception]
) -> None:
    directory.mkdir()
    with pytest.raises(expected), storage_errors():
        raise OSError(error_number, os.strerror(error_number))
