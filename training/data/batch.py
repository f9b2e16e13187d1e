"""A batch of captioned recordings: the input of every loss on real data."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor


class GlobalCaption(NamedTuple):
    """A caption that describes a whole recording of the batch; `recording` is the recording's index in the batch."""

    recording: int
    text: str


class CaptionedFrames(NamedTuple):
    """A caption that describes the frames [first_frame, end_frame) of the recording with index `recording`."""

    recording: int
    first_frame: int
    end_frame: int
    text: str


@dataclass(frozen=True, slots=True)
class CaptionedBatch:
    """B recordings of N samples and T frames each, with their captions.

    Attributes:
        waveform: samples in [-1, 1], padded with zeros at the end: (B, N) float32.
        valid_frames: number of frames that hold sound of the recording and no padding, 1 to T: (B,) int64.
        n_frames: T.
        captions: captions of whole recordings.
        events: captions of frames. An event covers the frames floor(onset / hop) to ceil(offset / hop), all of which
            are valid frames.
        unreadable: paths of the files that were drawn for this batch but could not be decoded. Other recordings took
            their places.

    Raises:
        ValueError: A caption or an event names a recording or a frame that the batch does not have.
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
            raise ValueError(
                f"valid_frames is {valid}; {len(self.waveform)} numbers from 1 to {self.n_frames} are accepted"
            )
        for caption in (*self.captions, *self.events):
            if not 0 <= caption.recording < len(valid):
                raise ValueError(f"{caption} belongs to none of the {len(valid)} recordings")
        for event in self.events:
            if not 0 <= event.first_frame < event.end_frame <= valid[event.recording]:
                raise ValueError(f"{event} is not within the {valid[event.recording]} valid frames of its recording")

    def valid_mask(self) -> Tensor:
        """Which frames hold sound of the recording and no padding: (B, T) bool, on the batch's device."""
        frames = torch.arange(self.n_frames, device=self.valid_frames.device)
        return frames < self.valid_frames[:, None]  # (B, T)

    def event_mask(self) -> Tensor:
        """Which frames of a recording each of the E events covers: (E, T) bool, on the batch's device."""
        frames = torch.arange(self.n_frames, device=self.valid_frames.device)
        edges = torch.tensor([(e.first_frame, e.end_frame) for e in self.events], device=frames.device).reshape(-1, 2)
        return (frames >= edges[:, :1]) & (frames < edges[:, 1:])  # (E, T)

    def to(self, device: torch.device) -> "CaptionedBatch":
        """Copies the tensors of the batch to a device."""
        return replace(
            self,
            waveform=self.waveform.to(device, non_blocking=True),
            valid_frames=self.valid_frames.to(device, non_blocking=True),
        )
