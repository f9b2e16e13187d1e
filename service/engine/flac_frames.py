"""Frames of a FLAC stream (RFC 9639, section 9): where the last frame ends."""

from functools import lru_cache

_POLYNOMIAL = 0x8005


def bytes_behind_frame(packet: bytes) -> bytes:
    """The bytes of a packet behind its first frame. The last packet of FFmpeg contains all bytes that follow the frame.

    The check value of a frame makes the sum of all its bytes zero, and zeros behind it keep the sum zero. If the
    sum is zero nowhere, the end of the frame is unknown, and the result is empty.
    """
    table, total, end = _table(), 0, len(packet)
    for index, byte in enumerate(packet):
        total = (total << 8 & 0xFF00) ^ table[total >> 8 ^ byte]
        if total == 0:
            end = index + 1
    return packet[end:]


@lru_cache(maxsize=1)
def _table() -> list[int]:
    table: list[int] = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = (value << 1 ^ _POLYNOMIAL if value & 0x8000 else value << 1) & 0xFFFF
        table.append(value)
    return table
