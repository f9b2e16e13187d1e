"""`earmark localize` on one recording by a service."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from service.client import Client, Localization
from service.client.answers import read_text_warnings
from service.command_line import renderings
from service.command_line.input import clip_name, open_clip
from service.command_line.output import can_show, write_for_people, write_for_programs, write_warnings
from service.command_line.recording_localizers import open_client
from service.formats.document import Document, detections_of
from service.formats.registry import TableName, render


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
    name, form = clip_name(args.clip), args.form
    with open_clip(args.clip) as clip, open_client(args.server, key) as client:
        if form in ("json", "ndjson"):
            curves = "both" if form == "json" else "none"
            text = client.localize_as(form, clip, queries, curves=curves, **options)
            write_warnings(*read_text_warnings(text))
            write_for_programs(text.removesuffix("\n") + "\n")
            return
        localization = client.localize(clip, queries, curves="none", **options)
        write_warnings(localization.clip.warnings, [result.warnings for result in localization])
        if form:
            write_for_programs(_as_text(form, localization, client, name))
            return
    rule = next(character for character in renderings.RULES if can_show(character))
    model = f"{localization.model_name} {localization.model_version}"
    title = renderings.title(name, localization.clip.duration_s, model)
    write_for_people(renderings.as_table(localization.results, title, rule))


def _as_text(form: TableName, localization: Localization, client: Client, name: str) -> str:
    """Renders an answer in a format without curves, which names the clip by its file."""
    document = Document(
        name=name,
        clip_id=localization.clip.id,
        duration_s=localization.clip.duration_s,
        model=(localization.model_name, localization.model_version),
        highest_hz=client.info()["model"]["sample_rate_hz"] / 2,
        detections=detections_of(localization.results),
    )
    return render(form, document)
