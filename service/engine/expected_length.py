"""A guess at the length of a clip before it is decoded, for the estimate of the work ahead; nothing else relies on it."""

import os
from typing import BinaryIO

from service.core.errors import UnsupportedAudio
from service.engine.containers import Source, locate, source_of
from service.engine.plain_wav import plain_wav

_FLAC_HEADER_BYTES = 42
_BYTES_PER_S = {"FLAC": 60_000, "AMR": 1_600}
"""Usual size of a second of sound in a container, in bytes, if the header does not give the length."""
_USUAL_BYTES_PER_S = 16_000


def expected_length_s(clip: BinaryIO, max_clip_s: float) -> float:
    """Guesses the length of a clip from its header and its size, in seconds; at most `max_clip_s`.

    Args:
        clip: The upload, seekable; it is left rewound.
        max_clip_s: Length of the longest accepted clip, in seconds.
    """
    layout = plain_wav(clip)
    try:
        source = locate(clip) if layout is None else source_of(layout)
    except UnsupportedAudio:
        return 0.0
    try:
        n_bytes = clip.seek(0, os.SEEK_END) - source.offset
        length_s = _header_length_s(clip, source, n_bytes)
    finally:
        clip.seek(0)
    if length_s is None:
        length_s = n_bytes / _BYTES_PER_S.get(source.container, _USUAL_BYTES_PER_S)
    return min(max(length_s, 0.0), max_clip_s)


def _header_length_s(clip: BinaryIO, source: Source, n_bytes: int) -> float | None:
    """The length that the header gives; None if it gives none."""
    if source.pcm is not None:
        bytes_per_s = source.pcm.frame_bytes * source.pcm.rate_hz
        sound_bytes = n_bytes if source.pcm.n_bytes is None else min(n_bytes, source.pcm.n_bytes)
        return sound_bytes / bytes_per_s if bytes_per_s else None
    if source.container == "FLAC":
        clip.seek(source.offset)
        facts = int.from_bytes(clip.read(_FLAC_HEADER_BYTES)[18:26].ljust(8, b"\0"), "big")
        rate_hz, n_samples = facts >> 44, facts & (1 << 36) - 1  # RFC 9639, section 8.2
        return n_samples / rate_hz if rate_hz and n_samples else None
    return None
