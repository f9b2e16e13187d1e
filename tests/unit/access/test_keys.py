import os
from pathlib import Path

import pytest

from service.access.keys import (
    MAX_FILE_BYTES,
    MAX_KEYS,
    ApiKey,
    hash_of,
    is_name,
    make_key,
    read_keys,
)
from service.core.start_errors import KeysFileInvalid

HASH = hash_of(b"key")
OTHER_HASH = hash_of(b"other")


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "keys.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_hash_is_the_sha256_of_the_key() -> None:
    assert hash_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_keys_are_long_recognizable_and_different() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("earmark_") and len(key) == len("earmark_") + 43 for key in keys)


@pytest.mark.parametrize("name", ["a", "web-site", "0_9", "x" * 64])
def test_accepted_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a.b", "ä", "x" * 65, "a\n", "anonymous", 'a"b'])
def test_refused_names(name: str) -> None:
    assert not is_name(name)


def test_a_file_with_comments_windows_line_ends_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    lines = ["# keys", "", "[a]  # the first", f'sha256 = "{HASH}"', "requests_per_minute = 10", "", "[b]"]
    text = "\r\n".join([*lines, f'sha256 = "{OTHER_HASH}"'])
    keys = read_keys(write(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert keys == {"a": ApiKey("a", HASH, requests_per_minute=10), "b": ApiKey("b", OTHER_HASH)}


def test_an_empty_file_has_no_keys(tmp_path: Path) -> None:
    assert read_keys(write(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[a", "not TOML"),
        (f'[a]\nsha256 = "{HASH}"\n[a]\nsha256 = "{OTHER_HASH}"', "not TOML"),
        ("a = " + "[" * 100_000, "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"\x00" * 10, "not TOML"),
        (f'[a]\nsha256 = "{HASH}"\n[b]\nsha256 = "{HASH}"', r"\[a\] and \[b\] have the same sha256"),
        ("a = 1", r"a is a value; accepted: a table \[a\]"),
        ('["a b"]\nsha256 = ""', "'a b' is not the name of a key; accepted: 1 to 64 letters"),
        ("[anonymous]", "'anonymous' is not the name"),
        ("[a]", r"\[a\] needs a sha256 of 64"),
        (f'[a]\nsha256 = "{HASH.upper()}"', "64 hexadecimal digits in lower case"),
        (f'[a]\nsha256 = "{HASH}"\nrequest_per_minute = 1', "has a field 'request_per_minute'; accepted: sha256, "),
        (f'[a]\nsha256 = "{HASH}"\nrequests_per_minute = 0', "requests_per_minute is '0'; accepted: 1 to"),
        (f'[a]\nsha256 = "{HASH}"\nrequests_per_minute = true', "is 'True'"),
        (f'[a]\nsha256 = "{HASH}"\naudio_seconds_per_day = 1.5', "audio_seconds_per_day is '1.5'"),
        (f'[a]\nsha256 = "{HASH}"\naudio_seconds_per_day = {10**10}', "audio_seconds_per_day"),
        (
            f'[a]\nsha256 = "{HASH}"\nrequests_per_minute = 0x{"f" * 5000}',
            "is a number that is far too large; accepted",
        ),
        (f'[a]\nsha256 = "{HASH}"\ncreated_at = 1', "created_at is not a date"),
        (f'[a]\nsha256 = "{HASH}"\n#' + "x" * MAX_FILE_BYTES, f"more than {MAX_FILE_BYTES} bytes"),
        ("".join(f'[k{i}]\nsha256 = "{i:064x}"\n' for i in range(MAX_KEYS + 1)), f"at most {MAX_KEYS}"),
    ],
)
def test_a_broken_file_is_refused_and_the_fault_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(KeysFileInvalid, match=message):
        read_keys(write(tmp_path, content))


def test_a_key_that_stands_in_place_of_its_hash_is_not_in_the_message(tmp_path: Path) -> None:
    key = make_key()
    for content in (f'[a]\nsha256 = "{key}"', f"[a]\nsha256 = {key}", f"[a]\n{key}"):
        with pytest.raises(KeysFileInvalid) as error:
            read_keys(write(tmp_path, content))
        assert key not in str(error.value)


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.chmod(0o666)
    with pytest.raises(KeysFileInvalid, match="every user of this machine may write to it"):
        read_keys(path)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "missing"):
        with pytest.raises(KeysFileInvalid, match=r"not a regular file|No such file|Is a directory"):
            read_keys(path)
