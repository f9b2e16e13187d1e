"""`earmark localize` on one recording: a table, or a format for programs, on standard output."""

import argparse
import logging
from collections.abc import Mapping, Sequence

from service.command_line import plot, renderings
from service.command_line.input import clip_name, open_clip
from service.command_line.output import can_show, write_for_people, write_for_programs, write_warnings
from service.command_line.recording_localizers import MAX_CLIP_BYTES, MAX_CLIP_S
from service.core.localization import query_warnings
from service.core.manifest import Manifest
from service.engine.clip import Upload
from service.engine.interface import Localization
from service.engine.options import EngineOptions
from service.formats.registry import FormatName


def run_one(args: argparse.Namespace, queries: Sequence[str], overrides: Mapping[str, float]) -> None:
    """Localizes queries in one recording with the model in this process.

    Args:
        args: Arguments of the command.
        queries: The queries.
        overrides: Post-processing values that replace the model's defaults, by name.

    Raises:
        EarmarkError: If an argument, the clip or the bundle cannot be used.
        OSError: If a file cannot be read or written.
    """
    from service.engine.engine import open_engine  # loads ONNX Runtime

    logging.getLogger("service").addHandler(logging.NullHandler())  # the answer has the warnings that are logged
    if args.plot is not None:
        plot.check_can_plot(args.plot)
    options = EngineOptions(
        max_clip_s=MAX_CLIP_S,
        max_upload_bytes=MAX_CLIP_BYTES,
        max_queries=max(EngineOptions().max_queries, len(queries) if args.query_file else 0),
        cache_bytes=0,
        device=args.device,
    )
    name = clip_name(args.clip)
    with open_clip(args.clip) as clip:
        engine = open_engine(args.bundle, options)
        postprocessing = engine.manifest.postprocessing.override(**overrides)
        localization = engine.localize(Upload(clip), queries, postprocessing)
        write_warnings(localization.warnings, query_warnings(localization.results))
        _write(args.form, name, localization, engine.manifest)
        if args.plot is not None:
            waveform = plot.read_envelope(clip, engine.manifest.sample_rate_hz, localization.duration_s)
            plot.draw(args.plot, name, localization, engine.manifest, postprocessing, waveform)


def _write(form: FormatName | None, name: str, localization: Localization, manifest: Manifest) -> None:
    if form:
        write_for_programs(renderings.as_text(form, localization, manifest, name))
    else:
        rule = next(character for character in renderings.RULES if can_show(character))
        title = renderings.title(name, localization.duration_s, f"{manifest.name} {manifest.version}")
        write_for_people(renderings.as_table(localization.results, title, rule))
