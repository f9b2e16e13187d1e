"""Good packets that follow each other in a stream of MPEG frames: they are placed and passed on together."""

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from service.engine.av_frames import samples_of
from service.engine.sound_block import SoundBlock
from service.engine.timeline import ByteTimeline

Float32 = NDArray[np.float32]

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
        self._samples: list[Float32] = []  # (N, C) each
        self._rate_hz, self._channels, self._n_samples = 0, 0, 0

    @property
    def n_packets(self) -> int:
        """Number of packets in the run."""
        return len(self._contents)

    def begin(self, content: bytes, block: SoundBlock) -> bool:
        """Begins the empty run with a packet and its sound; returns False, and does nothing, if the packet has no sound."""
        self._rate_hz, self._channels = block.rate_hz, block.samples.shape[1]
        return self._added(content, block.samples)

    def add(self, content: bytes, frame: AudioFrame) -> bool:
        """Adds a packet with its sound to a run that was begun.

        Returns:
            False, and adds nothing, if the run is empty or full, or if the format differs.
        """
        if not 0 < self._n_samples < _FULL_SAMPLES or frame.sample_rate != self._rate_hz:
            return False
        return frame.layout.nb_channels == self._channels and self._added(content, samples_of(frame))

    def place(self) -> tuple[SoundBlock, list[float]] | None:
        """Places the packets directly behind the packets before them, and empties the run.

        Returns:
            The sound of all packets, and the length of the sound of each packet, in seconds; None if bytes are missing between
            the packets, or if sound was lost before them. The packets are then still in the run.
        """
        durations_s = [len(samples) / self._rate_hz for samples in self._samples]
        if not self._timeline.place_run(self._contents, durations_s):
            return None
        sound = SoundBlock(np.concatenate(self._samples), self._rate_hz)
        self._contents, self._samples, self._n_samples = [], [], 0
        return sound, durations_s

    def take(self) -> list[tuple[bytes, SoundBlock]]:
        """Empties the run, and returns its packets with their sound."""
        blocks = [SoundBlock(samples, self._rate_hz) for samples in self._samples]
        packets = list(zip(self._contents, blocks, strict=True))
        self._contents, self._samples, self._n_samples = [], [], 0
        return packets

    def _added(self, content: bytes, samples: Float32) -> bool:
        if not len(samples):
            return False
        self._contents.append(content)
        self._samples.append(samples)
        self._n_samples += len(samples)
        return True
