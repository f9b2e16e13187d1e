"""API keys: how they are made, hashed and read from the keys file.

The file is TOML, with one table for each key::

    [web-site]
    sha256 = "5e88...42d8"
    created_at = 2026-01-31T12:00:00Z
    requests_per_minute = 600
    audio_seconds_per_day = 86400

The file has only hashes, so who reads it cannot use the service. SHA-256 is enough, and a slow password hash would be of no
use: a key has 256 random bits, so it cannot be guessed, whatever the time that one guess takes.
"""

import hashlib
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from service.core.start_errors import KeysFileInvalid

MAX_KEYS = 1000
"""Largest number of keys; each has its series in the metrics."""
MAX_FILE_BYTES = 1 << 20
MAX_LIMIT = 1_000_000_000
ANONYMOUS = "anonymous"
"""Name, in the metrics, of requests without a valid key; no key can have it."""
PREFIX = "earmark_"
"""Beginning of every key, by which people and secret scanners recognize one."""
NAMES = "1 to 64 letters, digits, - and _, beginning with a letter or digit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RANDOM_BYTES = 32
_MAX_SHOWN_CHARS = 80
_LIMITS = ("requests_per_minute", "audio_seconds_per_day")
_FIELDS = ("sha256", "created_at", *_LIMITS)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What the service knows of a key.

    Attributes:
        name: Name of the key, which labels its metrics and its log lines.
        sha256: Hash of the key, in hexadecimal digits.
        requests_per_minute: Number of requests that are accepted within a minute; None for any number.
        audio_seconds_per_day: Seconds of audio that are decoded within a day (UTC); None for any number.
        created_at: Time at which the key was made, if the file has it.
    """

    name: str
    sha256: str
    requests_per_minute: int | None = None
    audio_seconds_per_day: int | None = None
    created_at: datetime | None = None


def make_key() -> str:
    """Makes a new key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_of(key: bytes) -> str:
    """The hash by which the service knows a key, in hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()


def is_name(name: str) -> bool:
    """Whether a key can have this name."""
    return _NAME.fullmatch(name) is not None and name != ANONYMOUS


def read_keys(path: Path) -> dict[str, ApiKey]:
    """Reads a keys file.

    Returns:
        The keys by name.

    Raises:
        KeysFileInvalid: If the file cannot be read or used.
    """
    return parse_keys(path, read_text(path))


def read_text(path: Path) -> str:
    """Reads the text of a keys file, without a byte order mark.

    Raises:
        KeysFileInvalid: If it is no regular file, too large, not UTF-8, writable for everybody, or cannot be read.
    """
    try:
        with os.fdopen(
            os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb"
        ) as file:  # a pipe does not block
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeysFileInvalid(str(path), "it is not a regular file")
            if status.st_mode & stat.S_IWOTH:
                raise KeysFileInvalid(str(path), "every user of this machine may write to it; chmod o-w removes that")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeysFileInvalid(str(path), error.strerror or str(error)) from error
    if len(content) > MAX_FILE_BYTES:
        raise KeysFileInvalid(str(path), f"it has more than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KeysFileInvalid(str(path), "it is not UTF-8") from error


def parse_keys(path: Path, text: str) -> dict[str, ApiKey]:
    """Reads the keys in the text of a keys file; the path is for messages.

    Raises:
        KeysFileInvalid: If the text is not TOML, or does not have the form of a keys file. The message has no hash: it
            might be a key that somebody has written in its place.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise KeysFileInvalid(str(path), f"it is not TOML: {reason}") from error
    if len(document) > MAX_KEYS:
        raise KeysFileInvalid(str(path), f"it has {len(document)} keys; at most {MAX_KEYS} are accepted")
    keys: dict[str, ApiKey] = {}
    names_by_hash: dict[str, str] = {}
    for name, table in document.items():
        if fault := _fault_of(name, table):
            raise KeysFileInvalid(str(path), fault)
        keys[name] = ApiKey(name, **cast("Mapping[str, Any]", table))
        other = names_by_hash.setdefault(keys[name].sha256, name)
        if other != name:
            raise KeysFileInvalid(str(path), f"[{other}] and [{name}] have the same sha256")
    return keys


def _fault_of(name: str, table: object) -> str | None:
    """Says what is wrong with the table of a key; None if nothing is."""
    if not is_name(name):
        return f"{name[:_MAX_SHOWN_CHARS]!r} is not the name of a key; accepted: {NAMES}"
    if not isinstance(table, dict):
        return f"{name} is a value; accepted: a table [{name}]"
    fields = cast("dict[str, object]", table)
    if unknown := sorted(set(fields) - set(_FIELDS)):
        return f"[{name}] has a field {unknown[0][:_MAX_SHOWN_CHARS]!r}; accepted: {', '.join(_FIELDS)}"
    sha256 = fields.get("sha256")
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        return f"[{name}] needs a sha256 of 64 hexadecimal digits in lower case"
    if not isinstance(fields.get("created_at", datetime.min), datetime):
        return f"[{name}]: created_at is not a date and time"
    for limit in _LIMITS:
        value = fields.get(limit, 1)
        if type(value) is not int or not 1 <= value <= MAX_LIMIT:
            return f"[{name}]: {limit} is {_shown(value)}; accepted: 1 to {MAX_LIMIT}, or no such line for no limit"
    return None


def _shown(value: object) -> str:
    """The beginning of a value, for a message. Python refuses to write an integer of thousands of digits as a decimal."""
    try:
        return repr(str(value)[:_MAX_SHOWN_CHARS])
    except ValueError:
        return "a number that is far too large"
