"""Identifies the container and codec of a clip from its content, and refuses those that are not accepted.

A reader is chosen by what it will really decode, never by a file name or by a guess of the reader: plain PCM is read by
`service.engine.pcm_reader` from the layout that the header gives, everything else by the one demuxer of FFmpeg that is
named here. As players do, bytes in front of a clip that are no part of it (tags, padding, junk) are skipped.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Generic, NewType, TypeVar

from service.core.errors import UnsupportedAudio
from service.engine.chunks import id3_bytes
from service.engine.mpeg_frames import find_frames, frame_kind
from service.engine.pcm_layout import NotAcceptedError, PcmLayout, read_aiff, read_au, read_caf, read_w64, read_wav

T = TypeVar("T")
Container = NewType("Container", str)
"""Name of an accepted container and codec, for example "WAV PCM", "Ogg Opus" or "MP3"; only this module makes it."""

ACCEPTED = (
    "WAV, RF64, W64, AIFF, AU and CAF (PCM, float, mu-law, A-law), FLAC, MP3, Ogg (Vorbis, Opus, FLAC), "
    "MP4, M4A, MOV or 3GP (AAC, ALAC, MP3, Opus, FLAC, AMR, PCM), WebM or Matroska (Opus, Vorbis, AAC, FLAC, MP3, ALAC, PCM), "
    "AAC (ADTS), AMR; 1 to 8 channels, 4000 to 384000 Hz"
)
_OGG_CODECS = {b"\x01vorbis": "Vorbis", b"OpusHead": "Opus", b"\x7fFLAC": "FLAC"}
_OGG_REFUSED = {b"Speex": "Speex", b"\x80theora": "Theora video", b"fishead": "a skeleton"}


class _Signatures(Generic[T]):
    """What the signatures at the beginning of a file mean.

    Args:
        meanings: Meaning of each signature, a regular expression without capturing groups; the first that matches counts.
    """

    def __init__(self, meanings: Mapping[bytes, T]) -> None:
        self.expressions = list(meanings)
        self._meanings = list(meanings.values())
        self._any = re.compile(b"|".join(b"(%b)" % expression for expression in meanings), re.DOTALL)

    def meaning_of(self, head: bytes) -> T | None:
        """The meaning of the signature with which a file begins; None if there is none."""
        match = self._any.match(head)
        return self._meanings[match.lastindex - 1] if match and match.lastindex else None


_PCM_SIGNATURES: _Signatures[Callable[[BinaryIO, int], PcmLayout | None]] = _Signatures(
    {
        rb"(?:RIFF|RF64|BW64|RIFX)....WAVE": read_wav,
        rb"riff\x2e\x91\xcf\x11": read_w64,
        rb"FORM....AIF[FC]": read_aiff,
        rb"\.snd\0\0": read_au,
        rb"caff\0\x01": read_caf,
    }
)
_COMPRESSED = {
    rb"fLaC": "FLAC",
    rb"OggS\0[\x02\x06]": "Ogg",
    rb"\0\0..ftyp": "MP4",
    rb"\x1a\x45\xdf\xa3": "WebM",
    rb"#!AMR(?:-WB)?\n": "AMR",
}
_ONLY_AT_START = {rb"....(?:moov|mdat|wide|free|skip|pnot)": "MP4", rb"OggS": "Ogg"}
"""Signatures too weak to be searched for behind junk."""
_COMPRESSED_SIGNATURES = _Signatures(_COMPRESSED | _ONLY_AT_START)
_REFUSED = {
    rb"\x30\x26\xb2\x75": "WMA or ASF",
    rb"RIFF....AVI ": "AVI",
    rb"MThd": "MIDI, which holds no sound",
    rb"PK\x03\x04": "a ZIP archive",
    rb"\x1f\x8b": "a gzip archive",
    rb"7z\xbc\xaf": "a 7z archive",
    rb"\x89PNG": "a PNG picture",
    rb"\xff\xd8\xff": "a JPEG picture",
    rb"GIF8": "a GIF picture",
    rb"%PDF": "a PDF document",
    rb"\x7fELF": "a program",
    rb"FLV\x01": "FLV",
    rb"\.RMF": "RealMedia",
    rb"\0\0\x01\xba": "an MPEG program stream",
    rb"\x47.{187}\x47.{187}\x47": "an MPEG transport stream",
}
_REFUSED_SIGNATURES = _Signatures(_REFUSED)
_REFUSED_OR_TEXT = _Signatures(_REFUSED | {rb"\s*[<{\[]": "text"})
_ANY = re.compile(b"|".join([*_PCM_SIGNATURES.expressions, *_COMPRESSED]), re.DOTALL)
_HEAD_BYTES = 512
_MAX_TAGS = 8
_SEARCHED_BYTES = 1 << 18
"""Length of the junk in front of a clip that is searched, in bytes, tags not counted."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a clip is, and which bytes of the file are the clip.

    Attributes:
        container: Container and codec.
        offset: Position of the clip's first byte in the file.
        pcm: Layout of the samples, if the clip is plain PCM; None if it is compressed.
    """

    container: Container
    offset: int
    pcm: PcmLayout | None = None


def identify(clip: BinaryIO) -> Container:
    """Identifies the container and codec of a clip.

    Args:
        clip: The upload, seekable; it is left rewound.

    Raises:
        UnsupportedAudio: If the container or the codec is not accepted.
    """
    return locate(clip).container


def source_of(layout: PcmLayout) -> Source:
    """The source of a plain PCM clip that begins with the first byte of its file."""
    return Source(Container(layout.name), 0, layout)


def locate(clip: BinaryIO) -> Source:
    """Identifies a clip, and finds where it begins; see `identify`."""
    try:
        source = _located(clip)
    except NotAcceptedError as error:
        raise UnsupportedAudio(str(error), ACCEPTED) from None
    finally:
        clip.seek(0)
    if source is None:
        clip.seek(0)
        head = clip.read(_HEAD_BYTES)
        clip.seek(0)
        raise UnsupportedAudio(_refused_format(head), ACCEPTED)
    return source


def _located(clip: BinaryIO) -> Source | None:
    clip.seek(0)
    head = clip.read(_HEAD_BYTES)
    if _REFUSED_SIGNATURES.meaning_of(head):
        return None
    if start := _after_tags(clip):
        clip.seek(start)
        head = clip.read(_HEAD_BYTES)
    if source := _source_at(clip, start, head):
        return source
    clip.seek(start)
    content = clip.read(_SEARCHED_BYTES)
    match, frames = _ANY.search(content), find_frames(content)
    if match and (frames is None or match.start() < frames[0]):
        return _source_at(clip, start + match.start(), content[match.start() :][:_HEAD_BYTES])
    return Source(Container(frames[1]), start + frames[0]) if frames else None


def is_compressed_from_start(clip: BinaryIO) -> bool:
    """Whether a compressed clip begins with the first byte of its file or behind tags, so that `locate` need not search.

    Args:
        clip: The clip, seekable; it is left rewound.
    """
    clip.seek(_after_tags(clip))
    head = clip.read(_HEAD_BYTES)
    clip.seek(0)
    return _compressed_kind(head) is not None and _PCM_SIGNATURES.meaning_of(head) is None


def _source_at(clip: BinaryIO, offset: int, head: bytes) -> Source | None:
    """Identifies the clip that begins at an offset of the file with the bytes `head`; None if none begins there."""
    if read_layout := _PCM_SIGNATURES.meaning_of(head):
        layout = read_layout(clip, offset)
        return Source(Container("CAF" if layout is None else layout.name), offset, layout)
    kind = _compressed_kind(head)
    if kind is None:
        return None
    return Source(Container(f"Ogg {_ogg_codec(head)}" if kind == "Ogg" else kind), offset)


def _compressed_kind(head: bytes) -> str | None:
    return _COMPRESSED_SIGNATURES.meaning_of(head) or frame_kind(head)


def _refused_format(head: bytes) -> str:
    """Names the format of a clip that is not accepted, for the error message."""
    if name := _REFUSED_OR_TEXT.meaning_of(head):
        return name
    return f"in no known audio container (first bytes {head[:8].hex(' ')})"


def _ogg_codec(page: bytes) -> str:
    packet = page[27 + page[26] :] if len(page) > 27 else b""
    for signature, name in _OGG_CODECS.items():
        if packet.startswith(signature):
            return name
    for signature, name in _OGG_REFUSED.items():
        if packet.startswith(signature):
            raise NotAcceptedError(f"Ogg with {name}")
    raise NotAcceptedError(f"Ogg with an unknown codec (first bytes {packet[:8].hex(' ')})")


def _after_tags(clip: BinaryIO) -> int:
    """Position of the first byte behind any ID3v2 and APE tags in front of a clip."""
    n_bytes = clip.seek(0, os.SEEK_END)
    position = 0
    for _ in range(_MAX_TAGS):
        clip.seek(position)
        head = clip.read(16)
        if head[:3] == b"ID3" and len(head) >= 10:
            length = id3_bytes(head)
        elif head[:8] == b"APETAGEX" and len(head) == 16:
            length = 32 + int.from_bytes(head[12:16], "little")
        else:
            break
        if position + length >= n_bytes:
            break  # the length is damaged; the search begins here
        position += length
    return position
