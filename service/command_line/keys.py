"""The subcommands `earmark key new`, `list` and `revoke`, which change and show a keys file."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from service.access.keys import MAX_LIMIT, NAMES, ApiKey, hash_of, is_name, make_key, read_keys
from service.access.keys_file import add_key, remove_key
from service.core.start_errors import KeyNameInvalid, KeysFileUnnamed
from service.standard_streams import write_line

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - its only name

KEYS_FILE = "EARMARK_KEYS_FILE"
UNLIMITED = "unlimited"
DEFAULT_RATE = 600
DEFAULT_AUDIO_S = 24 * 3600
_TAKE_EFFECT = "a running service reads the file again when it receives SIGHUP"


def add_key_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommands; each sets `run` as its function."""
    parser = subparsers.add_parser("key", help="make, list and revoke API keys", description="Manages API keys.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser(
        "new",
        help="make a key",
        description="Makes a key, adds its hash to the keys file, and prints the key. It cannot be printed again.",
    )
    new.set_defaults(run=run_new)
    new.add_argument("name", metavar="NAME", help=f"name of the key in logs and metrics: {NAMES}")
    new.add_argument(
        "--rate",
        type=_limit,
        default=DEFAULT_RATE,
        metavar="N",
        help=f"requests that are accepted within a minute, or {UNLIMITED} (default: {DEFAULT_RATE})",
    )
    new.add_argument(
        "--audio-seconds-per-day",
        type=_limit,
        default=DEFAULT_AUDIO_S,
        metavar="N",
        help=f"seconds of audio that are decoded within a day (UTC), or {UNLIMITED} (default: {DEFAULT_AUDIO_S})",
    )
    list_ = commands.add_parser("list", help="list the keys", description="Prints the names and limits of the keys.")
    list_.set_defaults(run=run_list)
    revoke = commands.add_parser("revoke", help="remove a key", description="Removes a key from the keys file.")
    revoke.set_defaults(run=run_revoke)
    revoke.add_argument("name", metavar="NAME", help="name of the key")
    for command in (new, list_, revoke):
        command.add_argument(
            "--file", type=Path, metavar="FILE", help=f"the keys file (default: the value of {KEYS_FILE})"
        )


def run_new(args: argparse.Namespace) -> None:
    """Makes a key.

    Raises:
        StartError: If the name or the keys file cannot be used.
        OSError: If the keys file cannot be written.
    """
    path = _keys_file(args)
    if not is_name(args.name):
        raise KeyNameInvalid(args.name, NAMES)
    key = make_key()
    now = datetime.now(UTC).replace(microsecond=0)
    add_key(path, ApiKey(args.name, hash_of(key.encode()), args.rate, args.audio_seconds_per_day, now))
    try:
        sys.stdout.write(f"{key}\n")
        sys.stdout.flush()
    except OSError:  # nobody has seen the key
        remove_key(path, args.name)
        raise
    write_line(sys.stderr, f"earmark: {args.name} is in {path}; {_TAKE_EFFECT}")


def run_list(args: argparse.Namespace) -> None:
    """Prints one line for each key.

    Raises:
        StartError: If the keys file cannot be used.
    """
    rows = [("NAME", "REQUESTS/MIN", "AUDIO S/DAY", "CREATED")]
    for key in read_keys(_keys_file(args)).values():
        created = "" if key.created_at is None else f"{key.created_at:%Y-%m-%d}"
        rows.append((key.name, _shown(key.requests_per_minute), _shown(key.audio_seconds_per_day), created))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.flush()


def run_revoke(args: argparse.Namespace) -> None:
    """Removes a key.

    Raises:
        StartError: If there is no such key, or the keys file cannot be used.
        OSError: If the keys file cannot be written.
    """
    path = _keys_file(args)
    remove_key(path, args.name)
    write_line(sys.stderr, f"earmark: {args.name} is no longer in {path}; {_TAKE_EFFECT}")


def _keys_file(args: argparse.Namespace) -> Path:
    path = args.file or os.environ.get(KEYS_FILE)
    if not path:
        raise KeysFileUnnamed
    return Path(path)


def _limit(text: str) -> int | None:
    """Parses a limit; None for "unlimited"."""
    if text == UNLIMITED:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= MAX_LIMIT):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a limit; accepted: 1 to {MAX_LIMIT}, or {UNLIMITED}")
    return int(text)


def _shown(limit: int | None) -> str:
    return UNLIMITED if limit is None else str(limit)
