import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.__main__ import main
from service.access.keys import hash_of, read_keys

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_a_new_key_is_printed_once_and_only_its_hash_is_kept(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "web", "--file", str(path), "--rate", "5", "--audio-seconds-per-day", "unlimited"]) == 0
    out, err = capsys.readouterr()
    key = read_keys(path)["web"]
    assert (key.sha256, key.requests_per_minute, key.audio_seconds_per_day) == (hash_of(out.strip().encode()), 5, None)
    assert key.created_at is not None
    assert out.strip() not in path.read_text() + err
    assert "SIGHUP" in err


def test_a_key_has_limits_by_default(path: Path) -> None:
    main(["key", "new", "web", "--file", str(path)])
    key = read_keys(path)["web"]
    assert (key.requests_per_minute, key.audio_seconds_per_day) == (600, 86_400)


def test_the_file_of_the_setting_is_used(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARMARK_KEYS_FILE", str(path))
    for name in ("b", "a"):
        assert main(["key", "new", name]) == 0
    assert main(["key", "revoke", "b"]) == 0
    capsys.readouterr()
    assert main(["key", "list"]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(r"NAME +REQUESTS/MIN .*\na +600 +86400 +\d{4}-\d\d-\d\d\n", out)


def test_without_a_file_the_command_says_how_to_name_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EARMARK_KEYS_FILE", raising=False)
    for command in (["new", "a"], ["list"], ["revoke", "a"]):
        assert main(["key", *command]) == 2
        err = capsys.readouterr().err
        assert err == "earmark: the keys file is not named; use --file FILE or set EARMARK_KEYS_FILE\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "a b"], "'a b' is not the name of a key; accepted: 1 to 64 letters"),
        (["new", "taken"], "has a key of the name taken"),
        (["revoke", "missing"], "has no key of the name missing"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_in_one_line(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    main(["key", "new", "taken", "--file", str(path)])
    before = path.read_text()
    capsys.readouterr()
    assert main(["key", *arguments, "--file", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert path.read_text() == before


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "9" * 30, "١"])
def test_a_limit_is_a_positive_whole_number(path: Path, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["key", "new", "a", "--file", str(path), f"--rate={value}"])
    assert "accepted: 1 to 1000000000, or unlimited" in capsys.readouterr().err
    assert not path.exists()


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["key", "new", "a", "--file", str(tmp_path / "missing" / "keys")]) == 2
    assert capsys.readouterr().err == f"earmark: {tmp_path / 'missing'}: No such file or directory\n"


def test_a_key_that_nobody_has_seen_is_removed_again(path: Path) -> None:
    command = [sys.executable, "-m", "service", "key", "new", "a", "--file", str(path)]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 2
    assert "No space left on device" in run.stderr
    assert read_keys(path) == {}
