"""A batch of scenes: a captioned batch with everything that synthesis knows about its scenes."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from training.data.batch import CaptionedBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneBatch(CaptionedBatch):
    """B scenes of T frames with at most E events each.

    A scene is captioned like any recording. The attributes below hold the facts that only synthesis knows. C is the
    number of the teacher's classes.

    Attributes:
        event_active: 1 where event e sounds in frame t, else 0: (B, E, T) float32.
        labels: label index of each event: (B, E) int64. A scene with fewer than E events is padded with label 0, whose
            `event_active` is all zeros.
        ambience: label index of the sound that may be heard throughout the scene, or -1 for none: (B,) int64.
        teacher: the teacher's scores for the scene's events, in [0, 1]: (B, T / 2, C) float32. C is 0 without a
            teacher.
        teacher_unknown: true for the classes that the ambience may contain: (B, C) bool.
    """

    event_active: Tensor
    labels: Tensor
    ambience: Tensor
    teacher: Tensor
    teacher_unknown: Tensor

    def to(self, device: torch.device) -> "SceneBatch":
        """Copies all tensors of the batch to a device."""
        tensors = {
            name: value
            for name in (field.name for field in fields(self))
            if isinstance(value := getattr(self, name), Tensor)
        }
        return replace(self, **{name: value.to(device, non_blocking=True) for name, value in tensors.items()})
