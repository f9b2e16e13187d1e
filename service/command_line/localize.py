"""The subcommand `earmark localize`: its arguments, and the choice between one recording, many, and a service."""

import argparse
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.command_line.arguments import CommandParser
from service.command_line.input import check_no_query_is_a_file
from service.command_line.recording_localizers import Task
from service.command_line.table_rows import TABLE_FORMS, TableForm
from service.core.errors import ParameterInvalid, QueriesMissing
from service.core.manifest import PACKAGED_BUNDLE
from service.formats.registry import FORMATS

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - its only name

POSTPROCESSING = {
    "threshold": "score above which a segment starts, 0 to 1",
    "threshold_off": "score above which a segment continues, 0 to the threshold",
    "median_filter_s": "width of the median filter that smooths the score, in seconds",
    "extent_ratio": "extend a segment while the score stays above this fraction of the threshold (or of its odds), 0.1 to 1",
    "min_duration_s": "minimum duration of a segment, in seconds",
    "merge_gap_s": "maximum gap between two segments that are merged, in seconds",
}
"""Options of the post-processing, which `earmark search` has too."""
_FORM_OF_ENDING: dict[str, TableForm] = {".tsv": "dcase", ".ndjson": "ndjson", ".jsonl": "ndjson"}


def add_localize_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommand, and sets `run` as the `run` of its parsed arguments."""
    parser = subparsers.add_parser(
        "localize",
        help="find sounds in a recording or in many, without a server or with one",
        description="Finds sounds in a recording, and prints a table. With --csv FILE or --output FILE, CLIP may be a folder or "
        "a pattern in quotation marks, such as 'recordings/**/*.wav'. Such a run can be stopped at any time and continued by "
        "the same command; its exit status is 1 if a recording has an error.",
    )
    parser.set_defaults(run=run, output=None)
    if isinstance(parser, CommandParser):
        parser.late_words = "queries"
    parser.add_argument(
        "clip",
        type=Path,
        metavar="CLIP",
        help="a recording, in WAV, FLAC, MP3, Ogg, M4A, WebM, AIFF or another format, a folder, or a pattern; - reads "
        "standard input",
    )
    parser.add_argument(
        "queries", nargs="*", type=utf8_text, metavar="QUERY", help='a sound in plain words, such as "a dog barks"'
    )
    parser.add_argument(
        "--bundle", type=Path, default=PACKAGED_BUNDLE, metavar="DIR", help="model bundle (default: the packaged one)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="device that runs the audio encoder"
    )
    parser.add_argument(
        "--queries",
        dest="query_file",
        type=Path,
        metavar="FILE",
        help="read queries from a text file, one on each line",
    )
    parser.add_argument("--server", metavar="URL", help="let a service localize, such as http://127.0.0.1:8000")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="file with the API key of the service")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write a table of many recordings: .csv, .tsv (DCASE) or .ndjson; errors are written to FILE.errors.csv",
    )
    postprocessing = parser.add_argument_group("post-processing", "each option defaults to the value of the model")
    for name, help_text in POSTPROCESSING.items():
        postprocessing.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="NUMBER", help=help_text)
    _add_output_options(parser)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--json", dest="form", action="store_const", const="json", help="print the answer with its curves"
    )
    output.add_argument(
        "--csv",
        dest="csv",
        nargs="?",
        action=_CsvAction,
        metavar="FILE",
        help="print one row per segment, or write the rows of many recordings to a file whose name ends with .csv",
    )
    output.add_argument("--audacity", dest="form", action="store_const", const="audacity", help="print a label track")
    output.add_argument(
        "--format",
        dest="form",
        choices=FORMATS,
        metavar="NAME",
        help=f"print a format for programs: {', '.join(FORMATS)}",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw waveform, curves and segments (.png .svg .pdf)")


def with_output_files(arguments: Sequence[str]) -> list[str]:
    """Joins `--csv out.csv` to `--csv=out.csv`, so that a word after `--csv` is a file only if its name ends with .csv.

    Arguments of other subcommands are returned unchanged.
    """
    if list(arguments[:1]) != ["localize"]:
        return list(arguments)
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--csv=" and argument.lower().endswith(".csv"):
            joined[-1] += argument
        else:
            joined.append("--csv=" if argument == "--csv" else argument)
    return joined


def run(args: argparse.Namespace) -> None:
    """Runs the subcommand.

    Args:
        args: Arguments from the parser of `add_localize_parser`.

    Raises:
        EarmarkError: If an argument, the clip or the bundle cannot be used.
        OSError: If a file cannot be read or written.
        SystemExit: With status 1 if one recording of many has an error.
    """
    queries = [*args.queries, *(_read_queries(args.query_file) if args.query_file else ())]
    if not queries:
        raise QueriesMissing
    check_no_query_is_a_file(args.queries)
    overrides = {name: value for name in POSTPROCESSING if (value := getattr(args, name)) is not None}
    key = args.key_file.read_text().strip() if args.key_file else None
    if args.server and args.plot:
        raise ParameterInvalid("--plot", "given together with --server", "only one of the two")
    if args.output or _names_many(args.clip):
        if args.plot:
            raise ParameterInvalid("--plot", "given together with a table of many recordings", "only one of the two")
        from service.command_line.localize_many import run_many

        run_many(args, Task(tuple(queries), overrides, _table_form(args)), key)
    elif args.server:
        from service.command_line.localize_remote import run_remote

        run_remote(args, queries, overrides, key)
    else:
        from service.command_line.localize_one import run_one

        run_one(args, queries, overrides)


def _names_many(clip: Path) -> bool:
    """Whether an argument is a folder, or a pattern that is no file itself."""
    return clip.is_dir() or (glob.has_magic(str(clip)) and not os.path.lexists(clip))


def _table_form(args: argparse.Namespace) -> TableForm:
    """The table of a run over many recordings: by option, or else by the ending of the output file.

    Raises:
        ParameterInvalid: If there is no output file, or the format has no rows for recordings.
    """
    if not args.output:
        raise ParameterInvalid(
            "CLIP", f"{args.clip}, which names several recordings", "with --csv out.csv, or --output"
        )
    ending = _FORM_OF_ENDING.get(Path(args.output).suffix.lower(), "csv")
    form = args.form or ending
    if form not in TABLE_FORMS:
        raise ParameterInvalid("the format", f"{form}, which has no table of recordings", ", ".join(TABLE_FORMS))
    return form


def _read_queries(path: Path) -> list[str]:
    """The queries in a file, one on each line; empty lines and lines that begin with # are left out.

    Raises:
        ParameterInvalid: If the file is not UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ParameterInvalid("--queries", f"{path}, which is not UTF-8", "a text file in UTF-8") from error
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


class _CsvAction(argparse.Action):
    """The option `--csv`, which prints rows, or writes them to the file that follows."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        namespace.form = "csv"
        if values:
            namespace.output = values


def utf8_text(argument: str) -> str:
    """Returns a command-line argument unchanged, and refuses one that is not UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"{argument!r} is not UTF-8") from error
    return argument
