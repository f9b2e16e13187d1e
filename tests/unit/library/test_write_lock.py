import threading
from pathlib import Path

import pytest

from service.core.start_errors import LibraryNotWritable
from service.library.write_lock import WriteLock


def test_only_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second, order = WriteLock(str(tmp_path)), WriteLock(str(tmp_path)), list[str]()

    def take() -> None:
        with second.hold():
            order.append("second")

    with first.hold():
        thread = threading.Thread(target=take)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_the_mark_stays_only_if_the_change_fails(tmp_path: Path) -> None:
    lock = WriteLock(str(tmp_path))
    with lock.hold():
        with lock.marking():
            assert lock.is_marked
        assert not lock.is_marked
        with pytest.raises(ZeroDivisionError), lock.marking():
            raise ZeroDivisionError
        assert lock.is_marked
        lock.clear_mark()
        assert not lock.is_marked


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LibraryNotWritable, match="Not a directory"), WriteLock(str(tmp_path / "file/x")).hold():
        pass


def test_an_object_store_has_no_lock() -> None:
    lock = WriteLock("s3://bucket/library")
    assert not lock.is_exclusive
    with lock.hold(), lock.marking():
        assert not lock.is_marked


def test_staging_is_seen_until_the_last_block_ends(tmp_path: Path) -> None:
    lock, other = WriteLock(str(tmp_path)), WriteLock(str(tmp_path))
    assert not other.is_staging
    with lock.staging():
        with other.staging():
            assert other.is_staging
        assert other.is_staging
        with other.hold():  # writers are not held up
            pass
    assert not other.is_staging
