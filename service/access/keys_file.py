"""Changes of a keys file: adds and removes keys, in one step for every reader, and one change at a time."""

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from service.access.keys import ApiKey, parse_keys, read_text
from service.core.start_errors import KeyNameTaken, KeyNameUnknown, KeysFileInvalid

HEADER = """\
# API keys of Earmark. The file has only their hashes.
# To add or remove a key: earmark key new NAME, earmark key revoke NAME. The service reads the file again on SIGHUP.
"""
_MODE = 0o600
_KEPT_MODE = 0o644
_COMMENTS = re.compile(r"(?<=\n)(?:[ \t]*#[^\n]*\n|[ \t]*\r?\n)*\Z")
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


def add_key(path: Path, key: ApiKey) -> None:
    """Adds a key to a keys file; makes the file, for its owner only, if there is none.

    Raises:
        KeyNameTaken: If the file has a key of this name.
        KeysFileInvalid: If the file cannot be used.
        OSError: If the file cannot be written.
    """
    path = path.resolve()  # the file is replaced, and not a link to it
    with _locked(path.parent):
        text = read_text(path) if path.exists() else HEADER
        if key.name in parse_keys(path, text):
            raise KeyNameTaken(key.name, str(path))
        separator = "\n" if text.endswith("\n") or not text else "\n\n"
        _replace(path, text + separator + _table_of(key))


def remove_key(path: Path, name: str) -> None:
    """Removes a key from a keys file, and leaves everything else as it is.

    Raises:
        KeyNameUnknown: If the file has no key of this name.
        KeysFileInvalid: If the file cannot be used, or must be edited by hand because the key has an unusual form.
        OSError: If the file cannot be written.
    """
    path = path.resolve()
    with _locked(path.parent):
        text = read_text(path)
        keys = parse_keys(path, text)
        if name not in keys:
            raise KeyNameUnknown(name, str(path))
        head = re.search(rf"^[ \t]*\[[ \t]*{re.escape(name)}[ \t]*\]", text, re.MULTILINE)
        if head is None:
            raise KeysFileInvalid(str(path), f"the table of {name} cannot be recognized; remove it with an editor")
        following = _TABLE.search(text, head.end())
        table = text[head.start() : following.start() if following else len(text)]
        kept = _COMMENTS.search(table)  # what stands above the next table belongs to that table
        remaining = text[: head.start()] + (kept[0] if kept else "") + text[head.start() + len(table) :]
        if parse_keys(path, remaining) != {other: key for other, key in keys.items() if other != name}:
            raise KeysFileInvalid(str(path), f"the table of {name} cannot be recognized; remove it with an editor")
        _replace(path, remaining)


def _table_of(key: ApiKey) -> str:
    lines = [f"[{key.name}]", f'sha256 = "{key.sha256}"']
    if key.created_at is not None:
        lines.append(f"created_at = {key.created_at.isoformat(timespec='seconds').replace('+00:00', 'Z')}")
    for limit in ("requests_per_minute", "audio_seconds_per_day"):
        value = getattr(key, limit)
        lines += [] if value is None else [f"{limit} = {value}"]
    return "\n".join(lines) + "\n"


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Lets other processes that change a keys file in this folder wait until the end of the block."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Replaces a file in one step; keeps its owner and its permissions, except that only the owner may write."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # with mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            with contextlib.suppress(FileNotFoundError):
                before = path.stat()
                os.fchmod(descriptor, (before.st_mode & _KEPT_MODE) | _MODE)
                with contextlib.suppress(PermissionError):  # only root may give a file away
                    os.fchown(descriptor, before.st_uid, before.st_gid)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
