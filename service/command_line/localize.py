"""The subcommand `earmark localize`: localizes queries in a clip and prints a table, or a format for programs."""

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from service.command_line import plot, renderings
from service.command_line.input import check_no_query_is_a_file, clip_name, open_clip
from service.command_line.output import can_show, write_for_people, write_for_programs, write_warnings
from service.core.manifest import PACKAGED_BUNDLE, Manifest
from service.engine.clip import Upload
from service.engine.interface import Localization
from service.engine.options import EngineOptions
from service.formats.registry import FORMATS, FormatName

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - its only name

POSTPROCESSING = {
    "threshold": "score above which a segment starts, 0 to 1",
    "threshold_off": "score above which a segment continues, 0 to the threshold",
    "median_filter_s": "width of the median filter that smooths the score, in seconds",
    "extent_ratio": "extend a segment while the score stays above this fraction of the threshold, 0.1 to 1",
    "min_duration_s": "minimum duration of a segment, in seconds",
    "merge_gap_s": "maximum gap between two segments that are merged, in seconds",
}
"""Options of the post-processing, which `earmark search` has too."""
_MAX_CLIP_S = 24 * 3600.0  # the user of the command waits only for this clip
_MAX_CLIP_BYTES = 64 * 2**30


def add_localize_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommand, and sets `run` as the `run` of its parsed arguments."""
    parser = subparsers.add_parser("localize", help="find sounds in a recording, without a server")
    parser.set_defaults(run=run)
    parser.add_argument(
        "clip",
        type=Path,
        metavar="CLIP",
        help="a recording: WAV, FLAC, MP3, Ogg, M4A, WebM, AIFF or another format; - reads standard input",
    )
    parser.add_argument(
        "queries", nargs="+", type=_utf8_text, metavar="QUERY", help='a sound in plain words, such as "a dog barks"'
    )
    parser.add_argument(
        "--bundle", type=Path, default=PACKAGED_BUNDLE, metavar="DIR", help="model bundle (default: the packaged one)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="device that runs the model")
    postprocessing = parser.add_argument_group("post-processing", "each option defaults to the value of the model")
    for name, help_text in POSTPROCESSING.items():
        postprocessing.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="NUMBER", help=help_text)
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--json", dest="form", action="store_const", const="json", help="print the answer with its curves"
    )
    output.add_argument("--csv", dest="form", action="store_const", const="csv", help="print one row per segment")
    output.add_argument("--audacity", dest="form", action="store_const", const="audacity", help="print a label track")
    output.add_argument(
        "--format",
        dest="form",
        choices=FORMATS,
        metavar="NAME",
        help=f"print a format for programs: {', '.join(FORMATS)}",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw waveform, curves and segments (.png .svg .pdf)")


def run(args: argparse.Namespace) -> None:
    """Runs the subcommand.

    Args:
        args: Arguments from the parser of `add_localize_parser`.

    Raises:
        EarmarkError: If an argument, the clip or the bundle cannot be used.
        OSError: If a file cannot be read or written.
    """
    from service.engine.engine import open_engine  # loads ONNX Runtime, which the parser does not need

    logging.getLogger("service").addHandler(logging.NullHandler())  # the answer has the warnings that are logged
    check_no_query_is_a_file(args.queries)
    if args.plot is not None:
        plot.check_can_plot(args.plot)
    options = EngineOptions(max_clip_s=_MAX_CLIP_S, max_upload_bytes=_MAX_CLIP_BYTES, cache_bytes=0, device=args.device)
    name = clip_name(args.clip)
    with open_clip(args.clip) as clip:
        engine = open_engine(args.bundle, options)
        postprocessing = engine.manifest.postprocessing.override(
            **{name: getattr(args, name) for name in POSTPROCESSING}
        )
        localization = engine.localize(Upload(clip), args.queries, postprocessing)
        write_warnings(localization)
        _write(args.form, name, localization, engine.manifest)
        if args.plot is not None:
            waveform = plot.read_envelope(clip, engine.manifest.sample_rate_hz, localization.duration_s)
            plot.draw(args.plot, name, localization, engine.manifest, postprocessing, waveform)


def _utf8_text(argument: str) -> str:
    """Returns a command-line argument unchanged, and refuses one that is not UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"{argument!r} is not UTF-8") from error
    return argument


def _write(form: FormatName | None, name: str, localization: Localization, manifest: Manifest) -> None:
    if form:
        write_for_programs(renderings.as_text(form, localization, manifest, name))
    else:
        rule = next(character for character in renderings.RULES if can_show(character))
        write_for_people(renderings.as_table(localization, manifest, name, rule))
