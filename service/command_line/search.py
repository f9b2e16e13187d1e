"""The subcommand `earmark search`: the moments of a library in which sounds are heard, the best first."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.command_line.counts import counted
from service.command_line.input import open_clip
from service.command_line.library import LIBRARY_HELP
from service.command_line.localize import POSTPROCESSING, utf8_text
from service.command_line.output import write_for_people, write_for_programs
from service.command_line.recording_localizers import MAX_CLIP_BYTES, MAX_CLIP_S
from service.command_line.renderings import one_line
from service.core.errors import ParameterInvalid
from service.core.manifest import PACKAGED_BUNDLE
from service.formats.tables import csv_text
from service.standard_streams import write_line

if TYPE_CHECKING:
    from service.core.scoring import EncodedQueries
    from service.engine.clip_embedding import ClipEmbedding
    from service.engine.engine import Engine
    from service.library.recording import Recording
    from service.library.searching import Moment, Searcher, SearchQuery, SearchResult

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - its only name

MAX_TOP = 1000
COLUMNS: Sequence[str] = ("score", "onset_s", "offset_s", "query", "recording", "id")


def add_search_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommand, and sets `run` as the `run` of its parsed arguments."""
    parser = subparsers.add_parser(
        "search",
        help="find moments in a library",
        description="Finds the moments of a library in which sounds are heard.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("library", metavar="LIBRARY", help=LIBRARY_HELP)
    parser.add_argument(
        "queries", nargs="*", type=utf8_text, metavar="QUERY", help='a sound in plain words, such as "a chainsaw"'
    )
    for option, what in (("--like", "in which the sound is heard"), ("--unlike", "in which the sound is not heard")):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar="EXAMPLE",
            help=f"a stretch of a recording {what}, such as street.wav@12.4-13.1; repeat it for several",
        )
    parser.add_argument(
        "--top", type=int, default=20, metavar="N", help=f"number of moments, 1 to {MAX_TOP} (default: 20)"
    )
    parser.add_argument(
        "--where",
        default="",
        metavar="CONDITION",
        help="search only recordings that meet a condition, such as \"site = 'north' AND duration_s > 60\"",
    )
    parser.add_argument("--exact", action="store_true", help="read all frames, so that no moment can be missed; slow")
    parser.add_argument(
        "--bundle", type=Path, default=PACKAGED_BUNDLE, metavar="DIR", help="model bundle (default: the packaged one)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="cpu", help="device that runs the audio encoder"
    )
    postprocessing = parser.add_argument_group("post-processing", "each option defaults to the value of the model")
    for name, help_text in POSTPROCESSING.items():
        postprocessing.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="NUMBER", help=help_text)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--csv", dest="form", action="store_const", const="csv", help="print one row per moment")
    output.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    _accept_mixed_order(parser)


def _accept_mixed_order(parser: argparse.ArgumentParser) -> None:
    """Lets options stand between the library and the queries, although there may be no query."""
    parse_in_order = parser.parse_known_args

    def parse(args: Sequence[str] | None = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:
        vars(parser)["parse_known_args"] = (
            parse_in_order  # the parse in mixed order calls it for options and for the rest
        )
        try:
            return parser.parse_known_intermixed_args(args, namespace)
        finally:
            vars(parser)["parse_known_args"] = parse

    vars(parser)["parse_known_args"] = parse


def run(args: argparse.Namespace) -> None:
    """Runs the subcommand.

    Raises:
        EarmarkError: If an argument, the bundle or the library cannot be used.
    """
    from service.engine.engine import open_engine  # loads ONNX Runtime, which the parser does not need
    from service.engine.options import EngineOptions
    from service.library.searching import Searcher, SearchOptions
    from service.library.store import open_library

    logging.getLogger("service").addHandler(logging.NullHandler())
    if not 1 <= args.top <= MAX_TOP:
        raise ParameterInvalid("--top", str(args.top), f"1 to {MAX_TOP}")
    library = open_library(args.library)
    with closing(
        open_engine(
            args.bundle,
            EngineOptions(max_clip_s=MAX_CLIP_S, max_upload_bytes=MAX_CLIP_BYTES, cache_bytes=0, device=args.device),
        )
    ) as engine:
        searcher = Searcher(library, engine.manifest)
        postprocessing = engine.manifest.postprocessing.override(
            **{name: getattr(args, name) for name in POSTPROCESSING}
        )
        queries = _queries(args, engine, searcher)
        result = searcher.search(queries, SearchOptions(args.top, args.where, args.exact, postprocessing))
    _write(args.form, result, [query.text for query in queries])


def _queries(args: argparse.Namespace, engine: "Engine", searcher: "Searcher") -> list["SearchQuery"]:
    """The queries of a command: one for each text, or one that is learnt from the examples and at most one text."""
    from service.library.example_frames import query_by_example, stretch_frames
    from service.library.searching import SearchQuery

    encoded: list[EncodedQueries] = []
    if args.queries or not args.like:
        texts = engine.encode(args.queries)
        for number, warnings in enumerate(texts.warnings, start=1):
            for warning in warnings:
                write_line(sys.stderr, f"earmark: warning: query {number}: {warning.message}")
        encoded = texts.encoded.split()
    if not args.like and not args.unlike:
        return [SearchQuery(text, query) for text, query in zip(args.queries, encoded, strict=True)]
    if len(encoded) > 1:
        raise ParameterInvalid("--like", f"given with {len(encoded)} queries", "examples with at most 1 query")
    find = _finder(engine, searcher)
    like, unlike = (
        [stretch_frames(f"--{name}", text, find, engine.manifest, searcher.library) for text in getattr(args, name)]
        for name in ("like", "unlike")
    )
    query = query_by_example(like, unlike, searcher.background(), engine.manifest, encoded[0] if encoded else None)
    return [SearchQuery(" ".join([*args.queries, *(f"like {text}" for text in args.like)]), query)]


def _finder(engine: "Engine", searcher: "Searcher") -> "Callable[[str], Recording | ClipEmbedding]":
    """Finds the recording of an example: in the library by id or path, or else as a file, which is then embedded."""
    from service.engine.clip import Upload
    from service.library.files import id_of_path

    embedded: dict[str, ClipEmbedding] = {}

    def find(name: str) -> "Recording | ClipEmbedding":
        path = os.path.abspath(name)  # noqa: PTH100 - resolve() would follow links
        known = searcher.library.recording(name) or searcher.library.recording(id_of_path(path))
        if known is not None:
            return known
        if path not in embedded:
            with open_clip(Path(path)) as file:
                embedded[path] = engine.embed(Upload(file)).embedding
        return embedded[path]

    return find


def _write(form: str | None, result: "SearchResult", queries: Sequence[str]) -> None:
    summary = _summary(result)
    if form == "json":
        document = {
            "searched_s": result.searched_s,
            "recordings": result.n_recordings,
            "exact": result.exact,
            "moments": [
                _values(moment, queries) | {"metadata": dict(moment.recording.metadata)} for moment in result.moments
            ],
        }
        write_for_programs(json.dumps(document, ensure_ascii=False) + "\n")
        return
    if form == "csv":
        rows = (_values(moment, queries) for moment in result.moments)
        write_for_programs(csv_text([COLUMNS, *([row[column] for column in COLUMNS] for row in rows)]))
        write_line(sys.stderr, f"earmark: {summary}")
        return
    for moment in result.moments:
        segment, values = moment.segment, _values(moment, queries)
        words = "" if len(queries) == 1 else f"  {one_line(values['query'])}"
        times = f"{segment.onset_s:9.2f} to {segment.offset_s:9.2f} s"
        write_for_people(f"{segment.score:.2f}  {times}  {one_line(values['recording'])}{words}\n")
    write_line(sys.stdout, summary if result.moments else f"not heard; {summary}")


def _values(moment: "Moment", queries: Sequence[str]) -> dict[str, Any]:
    from service.answer import segment_values  # with packages that an installation of the client does not have

    return {
        **{name: round(float(value), 6) for name, value in segment_values(moment.segment).items() if name in COLUMNS},
        "query": queries[moment.query],
        "recording": moment.recording.path or moment.recording.id,
        "id": moment.recording.id,
    }


def _summary(result: "SearchResult") -> str:
    how = "all frames were read" if result.exact else "through the index, which may miss some; --exact reads all frames"
    return f"{result.searched_s / 3600:.2f} h in {counted(result.n_recordings, 'recording')} searched: {how}"
