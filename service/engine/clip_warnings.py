"""Warnings about a clip: their codes, and how they travel from the process that decodes the clip."""

import json
from collections.abc import Sequence
from typing import Any, cast

from service.core.warnings import AnswerWarning

CLIP_WARNINGS = {
    "sound-lost": "A part of the clip is damaged. The stretch is silent in the answer; later sounds keep their times.",
    "clip-truncated": "The clip ends before the length that its header gives, or without an end mark.",
    "data-after-end": "The file has more bytes behind the end of the clip, which were not decoded.",
    "samples-out-of-range": "Samples were far outside [-1, 1]; they were scaled or clipped.",
    "channels-cancel": "The channels cancel each other when they are averaged; the loudest channel was taken instead.",
    "dc-offset": "The samples have a large constant offset.",
    "digital-silence": "The clip holds nothing but digital silence.",
    "clipped": "More than half of the samples are at the extremes of their range.",
    "narrow-band": "The clip has no energy above 2 kHz, so many sounds cannot be recognized.",
}
"""Meaning of each code that a warning about a clip may have."""

MAX_WARNINGS = 64
"""Largest number of warnings about a clip."""
_MAX_MESSAGE_CHARS = 500


def warnings_to_bytes(warnings: Sequence[AnswerWarning]) -> bytes:
    """Serializes warnings as JSON: a list of `[code, message, onset_s, offset_s]`."""
    return json.dumps([[item.code, item.message, item.onset_s, item.offset_s] for item in warnings]).encode()


def warnings_from_bytes(content: bytes) -> tuple[AnswerWarning, ...]:
    """Deserializes warnings that a process sent, which may be malformed.

    Raises:
        ValueError, TypeError: If the content is malformed, if a code is unknown, or if there are too many warnings.
    """
    items = cast(list[list[Any]], json.loads(content))
    if len(items) > MAX_WARNINGS:
        raise ValueError(f"{len(items)} warnings; at most {MAX_WARNINGS} are accepted")
    return tuple(_warning(*item) for item in items)


def _warning(code: str, message: str, onset_s: float | None, offset_s: float | None) -> AnswerWarning:
    if code not in CLIP_WARNINGS or not isinstance(message, str) or len(message) > _MAX_MESSAGE_CHARS:  # pyright: ignore[reportUnnecessaryIsInstance] - the content is not trusted
        raise ValueError(f"a warning with the code {code!r} is not accepted")
    if onset_s is None or offset_s is None:
        return AnswerWarning(code, message)
    return AnswerWarning(code, message, float(onset_s), float(offset_s))
