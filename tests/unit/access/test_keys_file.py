import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.access.keys import ApiKey, hash_of, read_keys
from service.access.keys_file import add_key, remove_key
from service.core.start_errors import KeyNameTaken, KeyNameUnknown, KeysFileInvalid

CREATED = datetime(2026, 1, 31, 12, tzinfo=UTC)


def key(name: str, **limits: int) -> ApiKey:
    return ApiKey(name, hash_of(name.encode()), created_at=CREATED, **limits)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_added_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    keys = [key("a"), key("b", requests_per_minute=3), key("c", audio_seconds_per_day=5, requests_per_minute=1)]
    for item in keys:
        add_key(path, item)
    assert list(read_keys(path).values()) == keys
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.toml"]


def test_a_new_file_is_for_its_owner_only_and_an_existing_one_keeps_who_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    old = os.umask(0)
    try:
        add_key(path, key("a"))
    finally:
        os.umask(old)
    assert mode(path) == 0o600
    path.chmod(0o664)
    add_key(path, key("b"))
    assert mode(path) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_of_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    add_key(path, key("a"))
    os.chown(path, 10001, 10001)
    add_key(path, key("b"))
    assert (path.stat().st_uid, path.stat().st_gid) == (10001, 10001)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "keys.toml")
    add_key(tmp_path / "link", key("a"))
    add_key(tmp_path / "link", key("b"))
    assert (tmp_path / "link").is_symlink()
    assert set(read_keys(tmp_path / "keys.toml")) == {"a", "b"}


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    add_key(tmp_path / "keys", key("a"))
    with pytest.raises(KeyNameTaken):
        add_key(tmp_path / "keys", key("a"))


def test_a_broken_file_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("[a")
    with pytest.raises(KeysFileInvalid):
        add_key(path, key("b"))
    with pytest.raises(KeysFileInvalid):
        remove_key(path, "a")
    assert path.read_text() == "[a"


def test_keys_that_are_added_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: add_key(tmp_path / "keys", key(f"k{i}")), range(32)))
    assert len(read_keys(tmp_path / "keys")) == 32


@pytest.mark.parametrize("removed", ["a", "b", "c"])
def test_a_removed_key_leaves_everything_else_as_it_was(tmp_path: Path, removed: str) -> None:
    path = tmp_path / "keys"
    tables = {name: f'[{name}] # {name}\nsha256 = "{hash_of(name.encode())}"\n' for name in "abc"}
    comments = {name: f"\n# comment on {name}\n" for name in "abc"}
    path.write_text("".join(comments[name] + tables[name] for name in "abc"))
    remove_key(path, removed)
    expected = "".join(comments[name] + ("" if name == removed else tables[name]) for name in "abc")
    assert path.read_text() == expected


def test_only_keys_of_the_file_can_be_removed(tmp_path: Path) -> None:
    add_key(tmp_path / "keys", key("a"))
    with pytest.raises(KeyNameUnknown):
        remove_key(tmp_path / "keys", "b")
    with pytest.raises(KeysFileInvalid, match="No such file"):
        remove_key(tmp_path / "missing", "b")


@pytest.mark.parametrize("text", ['["a"]\nsha256 = "{}"\n', 'a = {{sha256 = "{}"}}\n', 'a.sha256 = "{}"\n'])
def test_a_table_of_another_form_is_left_to_an_editor(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text.format(hash_of(b"a")))
    before = path.read_bytes()
    with pytest.raises(KeysFileInvalid, match="remove it with an editor"):
        remove_key(path, "a")
    assert path.read_bytes() == before
