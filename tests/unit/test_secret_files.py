import os
from pathlib import Path

import pytest

from service.core.start_errors import SettingInvalid
from service.secret_files import MAX_BYTES, read_secret_files

URL, KEY = "EARMARK_REDIS_URL", "EARMARK_REDIS_KEY"


def read(value: str, **others: str) -> dict[str, str]:
    return read_secret_files({f"{URL}_FILE": value, **others}, [URL, KEY])


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_line_break_at_the_end_is_no_part_of_the_secret(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "url"
    file.write_bytes(b"redis://:p @ss@redis " + ending.encode())
    assert read(str(file)) == {URL: "redis://:p @ss@redis "}


def test_nothing_is_read_without_a_file() -> None:
    assert read("", **{KEY: "x" * 20}) == {}
    assert read_secret_files({"EARMARK_PORT_FILE": "/etc/passwd"}, [URL]) == {}


def test_a_link_as_kubernetes_makes_it_and_a_name_in_lower_case_are_followed(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("secret")
    (tmp_path / "url").symlink_to(tmp_path / "data")
    assert read_secret_files({f"{URL}_file".lower(): str(tmp_path / "url")}, [URL]) == {URL: "secret"}


def test_a_setting_is_given_in_one_way(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="EARMARK_REDIS_URL_FILE is set together with EARMARK_REDIS_URL;"):
        read(str(tmp_path), **{URL.lower(): "redis://a"})


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"", "(0 bytes)"),
        (b"\n", "(1 bytes)"),
        (b"secret-1\nsecret-2\n", "(18 bytes)"),
        (b"secret\x00", "(7 bytes)"),
        (b"x" * (MAX_BYTES + 1), f"(more than {MAX_BYTES} bytes)"),
        (b"\xff\xfesecret", "(not UTF-8)"),
    ],
)
def test_content_that_is_no_secret_is_refused_without_being_shown(tmp_path: Path, content: bytes, came: str) -> None:
    file = tmp_path / "url"
    file.write_bytes(content)
    with pytest.raises(SettingInvalid) as caught:
        read(str(file))
    assert caught.value.message.startswith(f"EARMARK_REDIS_URL_FILE is {str(file)!r} {came}; accepted: a file ")
    assert "secret-" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match=r"absent' \(No such file or directory\)"):
        read(str(tmp_path / "absent"))
    with pytest.raises(SettingInvalid, match=r"\((Is a directory|not a regular file)\)"):
        read(str(tmp_path))


def test_a_pipe_does_not_hold_up_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingInvalid, match=r"\(not a regular file\)"):
        read(str(tmp_path / "pipe"))
    with pytest.raises(SettingInvalid, match=r"\(not a regular file\)"):
        read("/dev/zero")
