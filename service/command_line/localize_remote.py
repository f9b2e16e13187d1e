"""`earmark localize` on one recording by a service."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from service.command_line import renderings
from service.command_line.input import clip_name, open_clip
from service.command_line.output import can_show, write_for_people, write_for_programs
from service.command_line.recording_localizers import open_client
from service.standard_streams import write_line


def run_remote(
    args: argparse.Namespace, queries: Sequence[str], overrides: Mapping[str, float], key: str | None
) -> None:
    """Localizes queries in one recording by a service; the output is that of `service.command_line.localize_one`.

    Args:
        args: Arguments of the command.
        queries: The queries.
        overrides: Post-processing values that replace the model's defaults, by name.
        key: API key of the service.

    Raises:
        EarmarkError: If the service refuses, fails or cannot be reached.
        OSError: If the recording cannot be read.
    """
    options: dict[str, Any] = dict(overrides)
    with open_clip(args.clip) as clip, open_client(args.server, key) as client:
        if args.form:
            curves = "both" if args.form == "json" else "none"
            write_for_programs(client.localize_as(args.form, clip, queries, curves=curves, **options))
            if args.form == "json":
                write_for_programs("\n")
            return
        localization = client.localize(clip, queries, curves="none", **options)
    for number, result in enumerate(localization, start=1):
        for warning in result.warnings:
            write_line(sys.stderr, f"earmark: warning: query {number}: {warning.message}")
    for warning in localization.clip.warnings:
        write_line(sys.stderr, f"earmark: warning: {warning.message}")
    rule = next(character for character in renderings.RULES if can_show(character))
    model = f"{localization.model_name} {localization.model_version}"
    title = renderings.title(clip_name(args.clip), localization.clip.duration_s, model)
    write_for_people(renderings.as_table(localization.results, title, rule))
