"""Good packets that follow each other in a stream of MPEG frames: they are placed and passed on together."""

import numpy as np
from av.audio.frame import AudioFrame

from service.engine.av_frames import samples_of
from service.engine.sound_block import SoundBlock
from service.engine.timeline import ByteTimeline

_FULL_SAMPLES = 1 << 16
"""Samples of a full run. A packet has 576 or 1152 samples, and every step for a single packet has a cost."""


class PacketRun:
    """Packets that were decoded without a fault, each to sound of the same format.

    Args:
        timeline: Knows where the packets before the run end in the file.
    """

    def __init__(self, timeline: ByteTimeline) -> None:
        self._timeline = timeline
        self._contents: list[bytes] = []
        self._frames: list[AudioFrame] = []
        self._rate_hz, self._channels, self._n_samples = 0, 0, 0

    @property
    def n_packets(self) -> int:
        """Number of packets in the run."""
        return len(self._contents)

    def begin(self, content: bytes, frame: AudioFrame) -> bool:
        """Begins the empty run with a packet and its sound; returns False, and does nothing, if the packet has no sound."""
        self._rate_hz, self._channels = frame.sample_rate, frame.layout.nb_channels
        return self._added(content, frame)

    def add(self, content: bytes, frame: AudioFrame) -> bool:
        """Adds a packet with its sound to a run that was begun.

        Returns:
            False, and adds nothing, if the run is empty or full, or if the format differs.
        """
        if not 0 < self._n_samples < _FULL_SAMPLES or frame.sample_rate != self._rate_hz:
            return False
        return frame.layout.nb_channels == self._channels and self._added(content, frame)

    def place(self) -> tuple[SoundBlock, list[float]] | None:
        """Places the packets directly behind the packets before them, and empties the run.

        Returns:
            The sound of all packets, and the length of the sound of each packet, in seconds; None if bytes are missing between
            the packets, or if sound was lost before them. The packets are then still in the run.
        """
        durations_s = [frame.samples / self._rate_hz for frame in self._frames]
        if not self._timeline.place_run(self._contents, durations_s):
            return None
        sound = SoundBlock(np.concatenate([samples_of(frame) for frame in self._frames]), self._rate_hz)
        self._empty()
        return sound, durations_s

    def take(self) -> list[tuple[bytes, SoundBlock]]:
        """Empties the run, and returns its packets with their sound."""
        blocks = [SoundBlock(samples_of(frame), self._rate_hz) for frame in self._frames]
        packets = list(zip(self._contents, blocks, strict=True))
        self._empty()
        return packets

    def _added(self, content: bytes, frame: AudioFrame) -> bool:
        if not frame.samples:
            return False
        self._contents.append(content)
        self._frames.append(frame)
        self._n_samples += frame.samples
        return True

    def _empty(self) -> None:
        self._contents, self._frames, self._n_samples = [], [], 0
