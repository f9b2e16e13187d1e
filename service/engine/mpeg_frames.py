"""Headers of MPEG audio frames: finds where a stream of MP3 or AAC frames begins, also behind other bytes."""

import re

_MP3_KBIT_S = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG1_RATES_HZ = (44_100, 48_000, 32_000)
_ADTS_HEADER_BYTES, _ADTS_RATES = 7, 13
_SYNC = re.compile(rb"\xff[\xe2\xe3\xf0-\xf3\xf8-\xfb]", re.DOTALL)
_INFO = re.compile(b"Xing|Info|VBRI")
_FRAMES_IN_A_ROW = 3
"""Number of frames that must follow each other before other bytes are taken for a stream."""


def frame_kind(head: bytes) -> str | None:
    """Kind of the frame whose header is the start of `head`: "MP3", "AAC", or None if there is no valid header."""
    if mp3_frame_bytes(head):
        return "MP3"
    return "AAC" if adts_frame_bytes(head) else None


def mp3_frame_bytes(head: bytes) -> int:
    """Length of the MPEG audio layer III frame that starts with `head`, in bytes; 0 if the header is not valid."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, bit_rate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bit_rate in (0, 15) or rate == 3:
        return 0
    is_mpeg1 = version == 3
    rate_hz = _MPEG1_RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    kbit_s = _MP3_KBIT_S[1 if is_mpeg1 else 2][bit_rate]
    return (144 if is_mpeg1 else 72) * kbit_s * 1000 // rate_hz + (head[2] >> 1 & 1)


def adts_frame_bytes(head: bytes) -> int:
    """Length of the ADTS frame (AAC, ISO/IEC 13818-7) that starts with `head`, in bytes; 0 if there is none."""
    if len(head) < _ADTS_HEADER_BYTES or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if head[2] >> 2 & 15 < _ADTS_RATES and length > _ADTS_HEADER_BYTES else 0


def find_frames(content: bytes) -> tuple[int, str] | None:
    """Finds the first place where frames of one kind follow each other; returns the place and the kind."""
    for match in _SYNC.finditer(content):
        kind = frame_kind(content[match.start() : match.start() + _ADTS_HEADER_BYTES])
        if kind is not None and _is_stream(content, match.start(), kind):
            return match.start(), kind
    return None


def is_info_frame(frame: bytes) -> bool:
    """Whether an MP3 frame holds no sound but facts about the stream (Xing, Info or VBRI header)."""
    return _INFO.search(frame, 0, 48) is not None


def info_frame_duration_s(frame: bytes) -> float | None:
    """Length of the stream that an Xing or Info header gives, in seconds; None if the frame has no such header or length.

    The header gives the number of frames, and LAME adds how many samples to drop at both ends.
    """
    place = next((at for at in (frame[:48].find(b"Xing"), frame[:48].find(b"Info")) if at >= 0), -1)
    if place < 0 or not mp3_frame_bytes(frame) or len(frame) < place + 12 or not frame[place + 7] & 1:
        return None
    version = frame[1] >> 3 & 3
    rate_hz = _MPEG1_RATES_HZ[frame[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[version]
    n_samples = int.from_bytes(frame[place + 8 : place + 12], "big") * (1152 if version == 3 else 576)
    flags = frame[place + 7]
    lame = place + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    dropped = int.from_bytes(frame[lame + 21 : lame + 24], "big") if frame[lame : lame + 3] in (b"LAM", b"Lav") else 0
    return max(0, n_samples - (dropped >> 12) - (dropped & 0xFFF)) / rate_hz


def _is_stream(content: bytes, place: int, kind: str) -> bool:
    """Whether frames of one kind, version and sample rate follow each other from a place on."""
    frame_bytes = mp3_frame_bytes if kind == "MP3" else adts_frame_bytes
    first = content[place : place + _ADTS_HEADER_BYTES]
    for n_frames in range(_FRAMES_IN_A_ROW):
        head = content[place : place + _ADTS_HEADER_BYTES]
        if len(head) < _ADTS_HEADER_BYTES:
            return n_frames > 1
        length = frame_bytes(head)
        if length == 0 or head[1] & 0xFE != first[1] & 0xFE or head[2] & 0x0C != first[2] & 0x0C:
            return False
        place += length
    return True
