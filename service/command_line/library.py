"""The subcommands `earmark library info`, `remove` and `compact`."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from service.command_line.counts import counted
from service.standard_streams import write_line

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - its only name

LIBRARY_HELP = "folder of the library, or a URI such as s3://bucket/library"


def add_library_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommands; each sets `run` as its function."""
    parser = subparsers.add_parser(
        "library", help="show, change and compact a library", description="Manages a library."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="what a library holds", description="Prints what a library holds.")
    info.set_defaults(run=run_info)
    info.add_argument(
        "--check",
        action="store_true",
        help="also read all frames and moments, and check that none is damaged or missing",
    )
    info.add_argument("--json", action="store_true", help="print JSON")
    remove = commands.add_parser(
        "remove", help="remove recordings", description="Removes recordings from a library; their files stay."
    )
    remove.set_defaults(run=run_remove)
    compact = commands.add_parser(
        "compact",
        help="merge files, update indexes, free space",
        description="Merges small files of a library, updates its indexes, and deletes what no recording needs. In an object "
        "store, no other process may write to the library at the same time.",
    )
    compact.set_defaults(run=run_compact)
    for command in (info, remove, compact):
        command.add_argument("library", metavar="LIBRARY", help=LIBRARY_HELP)
    remove.add_argument("recordings", nargs="+", metavar="RECORDING", help="path or id of a recording")


def run_info(args: argparse.Namespace) -> None:
    """Prints what a library holds.

    Raises:
        EarmarkError: If the library cannot be read.
    """
    from service.library.contents import check_frames, describe
    from service.library.moment_check import check_moments
    from service.library.store import open_library

    library = open_library(args.library)
    facts: dict[str, Any] = describe(library)
    if args.check:
        facts["checked_frames"], facts["checked_moments"] = check_frames(library), check_moments(library)
    if args.json:
        write_line(sys.stdout, json.dumps(facts))
        return
    columns: dict[str, str] = facts.pop("metadata")
    for name, value in facts.items():
        write_line(sys.stdout, f"{name}: {value}")
    write_line(sys.stdout, "metadata: " + (", ".join(f"{name} ({kind})" for name, kind in columns.items()) or "none"))


def run_remove(args: argparse.Namespace) -> None:
    """Removes recordings, named by path or id.

    Raises:
        EarmarkError: If the library cannot be changed, or if it has no such recording; then nothing is removed.
    """
    from service.core.library_errors import RecordingNotFound
    from service.library.files import id_of_path
    from service.library.store import open_library

    library, ids = open_library(args.library), list[str]()
    for name in args.recordings:
        found = library.recording(name) or library.recording(id_of_path(os.path.abspath(name)))  # noqa: PTH100
        if found is None:
            raise RecordingNotFound(name)
        ids.append(found.id)
    n_removed = library.remove(ids)
    write_line(sys.stdout, f"{counted(n_removed, 'recording')} removed; `earmark library compact` frees their space")


def run_compact(args: argparse.Namespace) -> None:
    """Compacts a library.

    Raises:
        EarmarkError: If the library cannot be changed.
    """
    from service.library.store import open_library

    open_library(args.library).compact()
