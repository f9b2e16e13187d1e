"""Times of packets: computes how much sound is lost before a packet, so that silence of that length replaces it."""

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, Protocol

from service.engine.chunks import is_tag
from service.engine.mpeg_frames import adts_frame_bytes, is_info_frame, mp3_frame_bytes

_REWIND_S = 0.1
"""A timestamp that lies this far before the sound decoded so far begins another stream, as in chained Ogg."""
_ALWAYS_PLAUSIBLE_S = 10.0
"""Gaps up to this length are filled even if the clip then exceeds the length that its header gives."""
_NEW_WEIGHT = 0.1
"""Weight of a packet in the moving average of the sizes of packets."""
_SEARCHED_BYTES = 1 << 18
_HELD_BYTES = 1 << 16
"""Bytes that are read at a time to locate packets."""


class PacketFacts(NamedTuple):
    """A packet: its bytes, and the time of its first sample in seconds; None if the container gives no time."""

    content: bytes
    time_s: float | None


class Timeline(Protocol):
    """Computes the sound that is lost before each packet. Its methods are called for the packets in their order."""

    def skip(self, content: bytes) -> bool:
        """Whether a packet holds no sound and is not decoded."""
        ...

    def skipped(self, content: bytes) -> None:
        """Notes a packet for which `skip` is true."""
        ...

    def failed(self, content: bytes) -> None:
        """Notes a packet that could not be decoded."""
        ...

    def gap_s(self, packet: PacketFacts, position_s: float) -> float:
        """Length of the sound that is lost before a packet that was decoded, in seconds.

        Args:
            packet: The packet.
            position_s: Length of the sound before the packet so far, in seconds.
        """
        ...

    def decoded(self, content: bytes, duration_s: float) -> None:
        """Notes the length of the sound of a packet, in seconds."""
        ...

    def dropped(self, content: bytes) -> None:
        """Notes a good packet without sound: all of it is padding of the encoder."""
        ...


class TimestampTimeline:
    """Timeline of a container that gives every packet a time."""

    def __init__(
        self, start_s: float | None, header_end_s: float, tolerance_s: float, failed_tolerance_s: float
    ) -> None:
        """Sets up the timeline.

        Args:
            start_s: Time of the first sample; None if the first timestamp decides.
            header_end_s: End of the sound as the header gives it; 0 if unknown.
            tolerance_s: Gaps up to this length are inaccurate timestamps.
            failed_tolerance_s: The same, directly behind a packet that could not be decoded.
        """
        self._base_s, self._header_end_s = start_s, header_end_s
        self._tolerance_s, self._failed_tolerance_s = tolerance_s, failed_tolerance_s
        self._has_failed = False

    def skip(self, content: bytes) -> bool:
        """Never skips a packet."""
        del content
        return False

    def skipped(self, content: bytes) -> None:
        """Has nothing to note."""

    def failed(self, content: bytes) -> None:
        """Notes that sound is missing."""
        del content
        self._has_failed = True

    def gap_s(self, packet: PacketFacts, position_s: float) -> float:
        """Compares the time of a packet with the sound so far; see `Timeline.gap_s`."""
        if packet.time_s is None:
            return 0.0
        if self._base_s is None:
            self._base_s = packet.time_s - position_s
        gap_s = packet.time_s - self._base_s - position_s
        tolerance_s = self._failed_tolerance_s if self._has_failed else self._tolerance_s
        self._has_failed = False
        if gap_s < -_REWIND_S or not self._is_plausible(gap_s, position_s):
            self._base_s = packet.time_s - position_s
            return 0.0
        return gap_s if gap_s > tolerance_s else 0.0

    def decoded(self, content: bytes, duration_s: float) -> None:
        """Has nothing to note."""

    def dropped(self, content: bytes) -> None:
        """Has nothing to note."""

    def _is_plausible(self, gap_s: float, position_s: float) -> bool:
        return gap_s <= max(_ALWAYS_PLAUSIBLE_S, self._header_end_s + 1 - position_s)


class ByteTimeline:
    """Timeline of a stream of MPEG frames, which have no timestamps: lost bytes are converted to lost frames."""

    def __init__(self, clip: BinaryIO) -> None:
        self._clip = clip
        self._last = b""
        self._end: int | None = None  # position behind the last packet whose place is known
        self._good_end: int | None = None
        self._mean_bytes, self._packet_s = 0.0, 0.0
        self._lost_packets = 0.0
        self._held, self._held_start = b"", 0

    def skip(self, content: bytes) -> bool:
        """Whether a packet is the header frame of a stream that was appended to another."""
        return is_info_frame(content) and mp3_frame_bytes(content) > 0

    def skipped(self, content: bytes) -> None:
        """Notes where a header frame ends."""
        self._place(content)

    def failed(self, content: bytes) -> None:
        """Counts the frames in a packet: 1 if it is a whole frame, otherwise the number that fits into its bytes."""
        self._place(content)
        length = mp3_frame_bytes(content) or adts_frame_bytes(content)
        if not content.startswith((b"ID3", b"TAG", b"APETAGEX")):
            self._lost_packets += 1 if length == len(content) else self._packets_in(len(content))

    def gap_s(self, packet: PacketFacts, position_s: float) -> float:
        """Converts the frames lost since the last good packet to seconds; see `Timeline.gap_s`."""
        del position_s
        self._place(packet.content)
        gap_s = round(self._lost_packets) * self._packet_s
        self._lost_packets = 0.0
        return gap_s

    def decoded(self, content: bytes, duration_s: float) -> None:
        """Notes a good packet, which gives the recent mean size and the duration of packets."""
        n_bytes = len(content)
        self._mean_bytes += (n_bytes - self._mean_bytes) * (_NEW_WEIGHT if self._mean_bytes else 1)
        if duration_s > self._packet_s:
            self._packet_s = duration_s
        self._good_end, self._last = self._end, content

    def place_run(self, contents: Sequence[bytes], durations_s: Sequence[float]) -> bool:
        """Does what `gap_s` and `decoded` do for good packets that follow the packets before them without a gap.

        Args:
            contents: The packets.
            durations_s: Length of the sound of each packet, in seconds.

        Returns:
            False, and notes nothing, if there may be a gap before or between the packets.
        """
        end, joined = self._end or 0, b"".join(contents)
        if self._lost_packets or self._read(end, len(joined)) != joined:
            return False
        self._end = end + len(joined)
        for content, duration_s in zip(contents, durations_s, strict=True):
            self.decoded(content, duration_s)
        return True

    def dropped(self, content: bytes) -> None:
        """Notes where a packet of padding ends."""
        self._place(content)
        self._good_end = self._end

    @property
    def is_cut(self) -> bool:
        """Whether the last packet that was decoded has fewer bytes than its header gives."""
        return mp3_frame_bytes(self._last) > len(self._last)

    @property
    def end(self) -> int:
        """Position behind the last packet that was decoded."""
        return self._good_end or 0

    def _packets_in(self, n_bytes: int) -> float:
        return n_bytes / self._mean_bytes if self._mean_bytes else 0.0

    def _place(self, packet: bytes) -> None:
        """Locates a packet in the file, and counts the bytes that FFmpeg skipped before it as lost."""
        end = self._end or 0
        if self._read(end, len(packet)) != packet:
            content = self._read(end, len(packet) + _SEARCHED_BYTES)
            skipped = content.find(packet)
            if skipped < 0:
                skipped = 0
            elif self._end is not None and not is_tag(content):
                self._lost_packets += self._packets_in(skipped)
            end += skipped
        self._end = end + len(packet)

    def _read(self, position: int, n_bytes: int) -> bytes:
        """Bytes of the clip from a position on, fewer at its end; leaves the position where FFmpeg continues to read."""
        begin = position - self._held_start
        if not 0 <= begin <= begin + n_bytes <= len(self._held):
            resume = self._clip.tell()
            self._clip.seek(position)
            self._held, self._held_start, begin = self._clip.read(max(n_bytes, _HELD_BYTES)), position, 0
            self._clip.seek(resume)
        return self._held[begin : begin + n_bytes]


def flac_sample_number(frame: bytes, block_samples: int) -> int | None:
    """Number of the first sample of a FLAC frame (RFC 9639, section 9.1); None if the header is not valid.

    Args:
        frame: The frame.
        block_samples: Number of samples in every frame, if all frames of the stream have the same size.
    """
    if len(frame) < 12 or frame[0] != 0xFF or frame[1] & 0xFC != 0xF8:
        return None
    first = frame[4]
    n_more = 0
    while n_more < 8 and first & 0x80 >> n_more:
        n_more += 1
    if n_more in (1, 8):
        return None
    number = first & (0x7F >> n_more)
    for byte in frame[5 : 5 + max(0, n_more - 1)]:
        number = number << 6 | byte & 0x3F
    return number if frame[1] & 1 else number * block_samples
