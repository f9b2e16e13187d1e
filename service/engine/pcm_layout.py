"""Headers of plain PCM: where the samples of a WAV, RF64, W64, AIFF, AU or CAF clip lie and how they are encoded."""

import math
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from service.engine.chunks import ends_in_chunks, walk_iff, walk_long_chunks

UNKNOWN_LENGTHS = range(0x7FFF_0000, 0x1_0000_0000)
"""Lengths that programs write when they do not know the length yet, for example into a pipe."""

_WAV_CODECS = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law"}
_WAV_REFUSED = {2: "MS ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MP2", 0x55: "MP3"}
_EXTENSIBLE = 0xFFFE
_EXTENSIBLE_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_AIFF_CODECS: dict[bytes, tuple[str, int | None, str]] = {
    b"NONE": ("PCM", None, ">"),
    b"twos": ("PCM", None, ">"),
    b"sowt": ("PCM", None, "<"),
    b"raw ": ("unsigned PCM", 1, ">"),
    b"in24": ("PCM", 3, ">"),
    b"in32": ("PCM", 4, ">"),
    b"fl32": ("float", 4, ">"),
    b"FL32": ("float", 4, ">"),
    b"fl64": ("float", 8, ">"),
    b"FL64": ("float", 8, ">"),
    b"ulaw": ("mu-law", 1, ">"),
    b"ULAW": ("mu-law", 1, ">"),
    b"alaw": ("A-law", 1, ">"),
    b"ALAW": ("A-law", 1, ">"),
}
_AU_CODECS = {
    1: ("mu-law", 1),
    2: ("PCM", 1),
    3: ("PCM", 2),
    4: ("PCM", 3),
    5: ("PCM", 4),
    6: ("float", 4),
    7: ("float", 8),
    27: ("A-law", 1),
}
_CAF_CODECS = {b"lpcm": "PCM", b"ulaw": "mu-law", b"alaw": "A-law"}
_WIDTHS = {"PCM": (1, 2, 3, 4), "unsigned PCM": (1,), "float": (4, 8), "mu-law": (1,), "A-law": (1,)}


class NotAcceptedError(Exception):
    """The codec of a clip is not accepted; the message names the format that came."""


@dataclass(frozen=True, slots=True)
class PcmLayout:
    """Where the samples lie and how they are encoded.

    Attributes:
        container: Name of the container, for example "WAV".
        codec: "PCM" (signed integers), "unsigned PCM", "float", "mu-law" or "A-law".
        width_bytes: Size of one sample of one channel.
        byte_order: "<" or ">".
        rate_hz: Sample rate, as the header gives it.
        channels: Number of channels, as the header gives it.
        offset: Position of the first sample, in bytes; None if the clip has no sound data.
        n_bytes: Length of the samples as the header gives it; None if the header leaves it open.
        n_rest_bytes: Number of bytes of the file behind `n_bytes` that belong neither to the container nor to a tag.
    """

    container: str
    codec: str
    width_bytes: int
    byte_order: str
    rate_hz: int
    channels: int
    offset: int | None
    n_bytes: int | None
    n_rest_bytes: int = 0

    @property
    def name(self) -> str:
        """Name of the container and the codec, for example "WAV PCM"."""
        return f"{self.container} {self.codec.removeprefix('unsigned ')}"

    @property
    def frame_bytes(self) -> int:
        """Size of one sample of all channels."""
        return self.width_bytes * self.channels


def read_wav(clip: BinaryIO, start: int) -> PcmLayout:
    """Reads the header of a WAV, RF64, BW64 or big-endian WAV (RIFX) clip that begins at `start`.

    Raises:
        NotAcceptedError: If the codec is not accepted.
    """
    clip.seek(start)
    kind = clip.read(4)
    byte_order = ">" if kind == b"RIFX" else "<"
    name = "RF64" if kind in (b"RF64", b"BW64") else "WAV"
    form, long_bytes = b"", None
    for chunk in walk_iff(clip, start + 12, byte_order):
        if chunk.name == b"ds64":
            long_bytes = struct.unpack_from("<Q", clip.read(24).ljust(24, b"\0"), 8)[0]
        elif chunk.name == b"fmt " and not form:
            form = clip.read(min(chunk.n_bytes, 40))
        elif chunk.name == b"data":
            n_bytes = long_bytes if name == "RF64" and long_bytes else chunk.n_bytes
            n_bytes, rest = _claimed(clip, chunk.offset, n_bytes, byte_order, is_long=name == "RF64")
            return _wav_layout(name, form, byte_order, chunk.offset, n_bytes, rest)
    return _wav_layout(name, form, byte_order, None, None, 0)


def _wav_layout(
    name: str, form: bytes, byte_order: str, offset: int | None, n_bytes: int | None, rest: int
) -> PcmLayout:
    if len(form) < 16:
        raise NotAcceptedError(f"{name} without a fmt chunk before its data")
    tag, channels, rate_hz, _, block_bytes, bits = struct.unpack_from(f"{byte_order}HHIIHH", form)
    if tag == _EXTENSIBLE and len(form) == 40 and form[26:] == _EXTENSIBLE_TAIL:
        (tag,) = struct.unpack_from(f"{byte_order}H", form, 24)
    if tag not in _WAV_CODECS:
        raise NotAcceptedError(f"{name} with {_WAV_REFUSED.get(tag, f'codec {tag:#06x}')}")
    width = block_bytes // channels if channels and block_bytes and block_bytes % channels == 0 else math.ceil(bits / 8)
    codec = _WAV_CODECS[tag]
    if codec == "PCM" and width == 1:
        codec = "unsigned PCM"
    return _accepted(PcmLayout(name, codec, width, byte_order, rate_hz, channels, offset, n_bytes, rest))


def read_w64(clip: BinaryIO, start: int) -> PcmLayout:
    """Reads the header of a W64 clip that begins at `start`; see `read_wav`."""
    form = b""
    for chunk in walk_long_chunks(clip, start + 40, "W64"):
        if chunk.name == b"fmt ":
            form = clip.read(max(0, min(chunk.n_bytes, 40)))
        elif chunk.name == b"data":
            n_bytes, rest = _claimed(clip, chunk.offset, chunk.n_bytes, None, is_long=True)
            return _wav_layout("W64", form, "<", chunk.offset, n_bytes, rest)
    return _wav_layout("W64", form, "<", None, None, 0)


def read_aiff(clip: BinaryIO, start: int) -> PcmLayout:
    """Reads the header of an AIFF or AIFF-C clip that begins at `start`.

    A COMM chunk that names a codec is believed whatever the form type is.

    Raises:
        NotAcceptedError: If the codec is not accepted.
    """
    clip.seek(start + 8)
    is_aifc = clip.read(4) == b"AIFC"
    name = "AIFF-C" if is_aifc else "AIFF"
    common, offset, n_bytes, rest = b"", None, None, 0
    for chunk in walk_iff(clip, start + 12, ">"):
        if chunk.name == b"COMM" and not common:
            common = clip.read(min(chunk.n_bytes, 22))
        elif chunk.name == b"SSND" and offset is None:
            (skipped,) = struct.unpack(">I", clip.read(4).rjust(4, b"\0"))
            offset = chunk.offset + 8 + skipped
            n_bytes, rest = _claimed(clip, offset, max(0, chunk.n_bytes - 8 - skipped), ">")
    if len(common) < (22 if is_aifc else 18):
        raise NotAcceptedError(f"{name} without a COMM chunk")
    channels, _, bits = struct.unpack_from(">HIH", common)
    codec = common[18:22] if is_aifc or common[18:22].strip(b"\0") else b"NONE"
    if codec not in _AIFF_CODECS:
        raise NotAcceptedError(f"{name} with codec {codec.decode('latin-1')!r}")
    kind, width, byte_order = _AIFF_CODECS[codec]
    width = math.ceil(bits / 8) if width is None else width
    rate_hz = _extended(common[8:18])
    return _accepted(PcmLayout("AIFF", kind, width, byte_order, rate_hz, channels, offset, n_bytes, rest))


def read_au(clip: BinaryIO, start: int) -> PcmLayout:
    """Reads the header of an AU clip that begins at `start`; see `read_wav`."""
    clip.seek(start + 4)
    head = clip.read(20)
    if len(head) < 20:
        raise NotAcceptedError("AU without a whole header")
    offset, n_bytes, encoding, rate_hz, channels = struct.unpack(">5I", head)
    if encoding not in _AU_CODECS:
        raise NotAcceptedError(f"AU with encoding {encoding}")
    codec, width = _AU_CODECS[encoding]
    claimed, rest = _claimed(clip, start + offset, n_bytes, None)
    return _accepted(PcmLayout("AU", codec, width, ">", rate_hz, channels, start + offset, claimed, rest))


def read_caf(clip: BinaryIO, start: int) -> PcmLayout | None:
    """Reads the header of a CAF clip that begins at `start`; returns None if the clip is compressed.

    Raises:
        NotAcceptedError: If the header is incomplete or its PCM is of a kind that is not accepted.
    """
    description, offset, n_bytes, rest = b"", None, None, 0
    for chunk in walk_long_chunks(clip, start + 8, "CAF"):
        if chunk.name == b"desc":
            description = clip.read(max(0, min(chunk.n_bytes, 32)))
        elif chunk.name == b"data":
            offset = chunk.offset + 4  # behind the edit count
            n_bytes, rest = _claimed(clip, offset, chunk.n_bytes - 4, None, is_long=True)
            break
    if len(description) < 32:
        raise NotAcceptedError("CAF without a desc chunk")
    rate_hz, codec, flags, packet_bytes, _, channels, _ = struct.unpack(">d4s5I", description)
    if codec not in _CAF_CODECS:
        return None
    kind = "float" if codec == b"lpcm" and flags & 1 else _CAF_CODECS[codec]
    width = packet_bytes // channels if channels else 0
    rate_hz = round(rate_hz) if math.isfinite(rate_hz) else 0
    byte_order = "<" if flags & 2 else ">"
    return _accepted(PcmLayout("CAF", kind, width, byte_order, rate_hz, channels, offset, n_bytes, rest))


def _accepted(layout: PcmLayout) -> PcmLayout:
    """Returns a layout whose sample width is accepted for its codec.

    Raises:
        NotAcceptedError: If the width is not accepted.
    """
    if layout.width_bytes not in _WIDTHS[layout.codec]:
        raise NotAcceptedError(f"{layout.container} with {layout.codec} of {8 * layout.width_bytes} bits")
    return layout


def _claimed(
    clip: BinaryIO, offset: int, n_bytes: int, byte_order: str | None, is_long: bool = False
) -> tuple[int | None, int]:
    """Checks the length of the samples that a header gives.

    Returns:
        The length, or None if the header leaves it open; and the number of bytes behind the samples that belong neither
        to the container nor to a tag.
    """
    position = clip.tell()
    n_present = clip.seek(0, os.SEEK_END) - offset
    try:
        if n_bytes < 0 or (n_bytes > n_present and (n_bytes in UNKNOWN_LENGTHS or (is_long and n_bytes >= 1 << 62))):
            return None, 0
        if n_bytes > n_present:
            return n_bytes, 0
        end = offset + n_bytes
        is_container = ends_in_chunks(clip, end + n_bytes % 2 if byte_order else end, byte_order)
        if n_bytes == 0 and n_present > 0 and not is_container:
            return None, 0
        return n_bytes, 0 if is_container else max(0, n_present - n_bytes)
    finally:
        clip.seek(position)


def _extended(number: bytes) -> int:
    """Rounds an 80-bit extended float, as in COMM, to an integer; 0 if it is negative or absurdly large."""
    exponent, mantissa = struct.unpack(">HQ", number)
    shift = 16383 + 63 - exponent
    return round(mantissa / 2.0**shift) if 0 <= shift <= 1000 else 0
