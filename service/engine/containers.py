"""Identifies the container and codec of a clip from its first bytes, and refuses those that are not accepted.

libsndfile reads many more formats than the service accepts, some of them unsafely: the ADPCM decoders of the version
that soundfile bundles overflow the heap. So an allow-list decides which clips libsndfile gets to see.
"""

import re
import struct
from typing import BinaryIO, NewType

from service.core.errors import UnsupportedAudio

Container = NewType("Container", str)
"""Name of an accepted container and codec, for example "WAV PCM", "Ogg Opus" or "MP3"; only `identify` makes it."""

ACCEPTED = (
    "WAV or RF64 (PCM, float), FLAC, Ogg (Vorbis, Opus), MP3, AIFF (PCM, float); 1 to 8 channels, 4000 to 384000 Hz"
)
_WAV_CODECS = {1: "PCM", 3: "float"}
_WAV_REFUSED = {2: "MS ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MP2", 0x55: "MP3"}
_EXTENSIBLE = 0xFFFE
_EXTENSIBLE_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_AIFC_CODECS = {b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64"}
_OGG_CODECS = {b"\x01vorbis": "Vorbis", b"OpusHead": "Opus"}
_OGG_REFUSED = {
    b"\x7fFLAC": "FLAC",
    b"Speex": "Speex",
    b"\x80theora": "Theora video",
    b"fishead": "a skeleton",
}  # libsndfile decodes none of these
_REFUSED_FORMATS = {
    rb"....ftyp": "MP4 or M4A",
    rb"\x1a\x45\xdf\xa3": "WebM or Matroska",
    rb"\x30\x26\xb2\x75": "WMA or ASF",
    rb"\.snd": "AU",
    rb"caff": "CAF",
    rb"riff": "W64",
    rb"RIFX": "big-endian WAV",
    rb"RIFF....AVI ": "AVI",
    rb"#!AMR": "AMR",
    rb"MThd": "MIDI, which holds no sound",
    rb"\xff[\xf0\xf1\xf8\xf9]": "AAC in ADTS",
    rb"\s*[<{\[]": "text",
    rb"PK\x03\x04": "a ZIP archive",
}
_MAX_CHUNKS = 64
_MAX_TAGS = 8


def identify(clip: BinaryIO) -> Container:
    """Identifies the container and codec of a clip.

    Args:
        clip: The upload, seekable; it is left rewound.

    Raises:
        UnsupportedAudio: If the container or the codec is not accepted.
    """
    clip.seek(0)
    head = clip.read(64)
    try:
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
            return Container(f"{'WAV' if head[:4] == b'RIFF' else 'RF64'} {_wav_codec(clip)}")
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return Container(f"AIFF {_aiff_codec(clip, compressed=head[8:12] == b'AIFC')}")
        if head[:4] == b"fLaC":
            return Container("FLAC")
        if head[:4] == b"OggS":
            return Container(f"Ogg {_ogg_codec(clip)}")
        if _is_mp3_frame(_after_id3_tags(clip)):
            return Container("MP3")
    finally:
        clip.seek(0)
    raise _unsupported(_refused_format(head))


def _unsupported(came: str) -> UnsupportedAudio:
    return UnsupportedAudio(came, ACCEPTED)


def _refused_format(head: bytes) -> str:
    """Names the format of a clip that is not accepted, for the error message."""
    for signature, name in _REFUSED_FORMATS.items():
        if re.match(signature, head, re.DOTALL):
            return name
    return f"in no known audio container (first bytes {head[:8].hex(' ')})"


def _chunk(clip: BinaryIO, chunk_name: bytes, byte_order: str, size: int) -> bytes:
    """Reads the first `size` bytes of the first chunk with a name, in a file of chunks such as RIFF or AIFF.

    Returns fewer bytes if the chunk is shorter, and none if there is no such chunk before the sound data.
    """
    clip.seek(12)
    for _ in range(_MAX_CHUNKS):
        header = clip.read(8)
        if len(header) < 8:
            break
        name, length = struct.unpack(f"{byte_order}4sI", header)
        if name == chunk_name:
            return clip.read(min(length, size))
        if name == b"data" or not (name.isascii() and name.decode().isprintable()):
            break
        clip.seek(length + length % 2, 1)
    return b""


def _wav_codec(clip: BinaryIO) -> str:
    form = _chunk(clip, b"fmt ", "<", 40)
    if len(form) < 16:
        raise _unsupported("WAV without a fmt chunk before its data")
    (tag,) = struct.unpack_from("<H", form)
    if tag == _EXTENSIBLE and len(form) == 40 and form[26:] == _EXTENSIBLE_TAIL:
        (tag,) = struct.unpack_from("<H", form, 24)
    if tag not in _WAV_CODECS:
        raise _unsupported(f"WAV with {_WAV_REFUSED.get(tag, f'codec {tag:#06x}')}")
    return _WAV_CODECS[tag]


def _aiff_codec(clip: BinaryIO, compressed: bool) -> str:
    common = _chunk(clip, b"COMM", ">", 22)
    if len(common) < (22 if compressed else 18):
        raise _unsupported("AIFF without a COMM chunk")
    codec = common[18:22] if compressed else b"NONE"
    if codec not in _AIFC_CODECS:
        raise _unsupported(f"AIFF-C with codec {codec.decode('latin-1')!r}")
    return "float" if codec[:2].lower() == b"fl" else "PCM"


def _ogg_codec(clip: BinaryIO) -> str:
    clip.seek(0)
    page = clip.read(27 + 255 + 16)
    packet = page[27 + page[26] :] if len(page) > 27 else b""
    for signature, name in _OGG_CODECS.items():
        if packet.startswith(signature):
            return name
    for signature, name in _OGG_REFUSED.items():
        if packet.startswith(signature):
            raise _unsupported(f"Ogg with {name}")
    raise _unsupported(f"Ogg with an unknown codec (first bytes {packet[:8].hex(' ')})")


def _after_id3_tags(clip: BinaryIO) -> bytes:
    """Reads the first 10 bytes after any ID3v2 tags."""
    clip.seek(0)
    for _ in range(_MAX_TAGS):
        head = clip.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return head
        length = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
        clip.seek(length, 1)
    return b""


def _is_mp3_frame(head: bytes) -> bool:
    """Whether bytes start with the header of an MPEG audio layer III frame with a valid bit rate and sample rate."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[2] >> 4 not in (0x0, 0xF)
        and head[2] >> 2 & 3 != 3
    )
