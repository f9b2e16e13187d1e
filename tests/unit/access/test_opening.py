from pathlib import Path

import pytest

from service.access.keys import ApiKey, hash_of
from service.access.keys_file import add_key
from service.access.opening import open_access
from service.core.start_errors import KeysFileInvalid


def test_without_a_keys_file_there_are_no_keys() -> None:
    access = open_access(None)
    access.reload()
    assert (access.keys, access.key_names, access.degraded()) == (None, frozenset(), [])


def test_the_keys_are_those_of_the_file_at_the_last_reading(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add_key(path, ApiKey("a", hash_of(b"a")))
    access = open_access(path)
    add_key(path, ApiKey("b", hash_of(b"b")))
    assert access.key_names == {"a"}
    access.reload()
    assert access.key_names == {"a", "b"}


def test_a_redis_that_does_not_answer_does_not_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    open_access(tmp_path / "keys", "redis://127.0.0.1:1/0")
    with pytest.raises(KeysFileInvalid):
        open_access(tmp_path / "missing")
