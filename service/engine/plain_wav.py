"""Plain WAV clips, which are read in the process of the service: no codec runs, and a process of its own costs more.

Only the simplest form is accepted: 16-bit PCM in a file whose lengths all agree. Every other clip goes to a decoder process.
"""

import os
import struct
from collections.abc import Callable
from typing import BinaryIO

from service.engine.call import Call
from service.engine.containers import source_of
from service.engine.decoding import MAX_RATE_HZ, MIN_RATE_HZ, DecodedBlocks, decode_source
from service.engine.pcm_layout import PcmLayout
from service.engine.sound_block import MAX_CHANNELS

Decode = Callable[[BinaryIO, int, float, Call], DecodedBlocks]

_MAX_BYTES = 4 << 20
"""Size of the largest clip that is read in this process: 2 minutes of 16 kHz mono, 22 s of 48 kHz stereo."""
_HEAD_BYTES = 1 << 10
_MAX_CHUNKS = 8
_SKIPPED = (b"LIST", b"JUNK")
_RIFF, _CHUNK, _FORMAT = struct.Struct("<4sI4s"), struct.Struct("<4sI"), struct.Struct("<HHIIHH")
_PCM, _WIDTH_BYTES = 1, 2


def plain_wav(clip: BinaryIO) -> PcmLayout | None:
    """The layout of a plain WAV clip; None for every other clip. Reads at most 1 KiB, and never raises an error.

    The first chunk is "fmt " with 16 bytes; "LIST" and "JUNK" may follow; the last chunk is "data", whose samples
    are complete and end with the file.

    Args:
        clip: The clip, seekable; it is left rewound.
    """
    n_bytes = clip.seek(0, os.SEEK_END)
    clip.seek(0)
    head = clip.read(_HEAD_BYTES)
    clip.seek(0)
    try:
        return _layout(head, n_bytes) if n_bytes <= _MAX_BYTES else None
    except struct.error:  # the head ends early
        return None


def plain_wav_or(decode: Decode) -> Decode:
    """A function that decodes plain WAV clips in this process, and all others with `decode`."""

    def decode_clip(clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> DecodedBlocks:
        layout = plain_wav(clip)
        if layout is None:
            return (yield from decode(clip, sample_rate_hz, max_clip_s, call))
        blocks = decode_source(clip, source_of(layout), sample_rate_hz, max_clip_s)
        while True:
            call.check()
            try:
                block = next(blocks)
            except StopIteration as end:
                return end.value
            yield block

    return decode_clip


def _layout(head: bytes, n_bytes: int) -> PcmLayout | None:
    riff, riff_bytes, wave = _RIFF.unpack_from(head)
    name, format_bytes = _CHUNK.unpack_from(head, _RIFF.size)
    position = _RIFF.size + _CHUNK.size
    codec, channels, rate_hz, bytes_per_s, frame_bytes, bits = _FORMAT.unpack_from(head, position)
    is_plain = (riff, wave, name, riff_bytes, format_bytes) == (b"RIFF", b"WAVE", b"fmt ", n_bytes - 8, _FORMAT.size)
    if not is_plain or (codec, bits, frame_bytes) != (_PCM, 8 * _WIDTH_BYTES, channels * _WIDTH_BYTES):
        return None
    if not (1 <= channels <= MAX_CHANNELS and MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ):
        return None
    if bytes_per_s != rate_hz * frame_bytes:
        return None
    position += _FORMAT.size
    for _ in range(_MAX_CHUNKS):
        name, chunk_bytes = _CHUNK.unpack_from(head, position)
        position += _CHUNK.size
        if name == b"data":
            is_whole = 0 < chunk_bytes == n_bytes - position and chunk_bytes % frame_bytes == 0
            return (
                PcmLayout("WAV", "PCM", _WIDTH_BYTES, "<", rate_hz, channels, position, chunk_bytes)
                if is_whole
                else None
            )
        if name not in _SKIPPED or chunk_bytes % 2:
            return None
        position += chunk_bytes
    return None
