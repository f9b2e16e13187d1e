"""A batch of captioned recordings: what every loss on real data is computed from."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor


class GlobalCaption(NamedTuple):
    """A caption that is true of a whole recording of the batch."""

    recording: int
    text: str


class CaptionedFrames(NamedTuple):
    """A caption that is true of the frames [first_frame, end_frame) of a recording of the batch."""

    recording: int
    first_frame: int
    end_frame: int
    text: str


@dataclass(frozen=True, slots=True)
class CaptionedBatch:
    """B recordings of N samples, T frames each, and what is said of them.

    Attributes:
        waveform: (B, N) float32 in [-1, 1]; what is shorter than the window ends in silence.
        valid_frames: how many of its frames hold sound of the recording, 1 to T: (B,) int64.
        n_frames: T.
        captions: those that are true of a whole recording.
        events: those that are true of some frames, floor(onset / hop) to ceil(offset / hop), all of them valid ones.
        unreadable: files that were drawn, could not be decoded, and were replaced by other recordings.

    Raises:
        ValueError: a caption or an event is not of a recording or of frames of the batch.
    """

    waveform: Tensor
    valid_frames: Tensor
    n_frames: int
    captions: tuple[GlobalCaption, ...] = ()
    events: tuple[CaptionedFrames, ...] = ()
    unreadable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        valid = self.valid_frames.tolist()
        if len(valid) != len(self.waveform) or not all(0 < frames <= self.n_frames for frames in valid):
            raise ValueError(f"valid frames {valid} of {len(self.waveform)} recordings of {self.n_frames} frames")
        for said in (*self.captions, *self.events):
            if not 0 <= said.recording < len(valid):
                raise ValueError(f"{said} is of none of {len(valid)} recordings")
        for event in self.events:
            if not 0 <= event.first_frame < event.end_frame <= valid[event.recording]:
                raise ValueError(f"{event} is not within the {valid[event.recording]} valid frames of its recording")

    def valid_mask(self) -> Tensor:
        """Which frames hold sound of the recording: (B, T) bool, on the device of the batch."""
        frames = torch.arange(self.n_frames, device=self.valid_frames.device)
        return frames < self.valid_frames[:, None]  # (B, T)

    def event_mask(self) -> Tensor:
        """Which frames of its recording each event covers: (E, T) bool, on the device of the batch."""
        frames = torch.arange(self.n_frames, device=self.valid_frames.device)
        edges = torch.tensor([(e.first_frame, e.end_frame) for e in self.events], device=frames.device).reshape(-1, 2)
        return (frames >= edges[:, :1]) & (frames < edges[:, 1:])  # (E, T)

    def to(self, device: torch.device) -> "CaptionedBatch":
        """The same batch on a device."""
        return replace(
            self,
            waveform=self.waveform.to(device, non_blocking=True),
            valid_frames=self.valid_frames.to(device, non_blocking=True),
        )
