"""What each frame of a batch says of each caption: yes, no, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.batch import CaptionedBatch
from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN
from training.data.scene_batch import SceneBatch


def label_targets(batch: SceneBatch, relation: Tensor) -> tuple[Tensor, Tensor]:
    """Targets and whether they are known, for one caption a label: both (B, T, L).

    A caption is true where an event of its label, or of one that implies it, is active; unknown where only events
    are that it may also be said of, and throughout where the ambience may hold it.
    """
    active = batch.event_active.transpose(1, 2)  # (B, T, E)
    own = relation[batch.labels]  # (B, E, L)
    positive = active @ (own == POSITIVE).to(active.dtype) > 0
    unknown = active @ (own == UNKNOWN).to(active.dtype) > 0
    behind = (relation[batch.ambience] != NEGATIVE) & (batch.ambience >= 0)[:, None]  # (B, L)
    unknown |= behind[:, None, :]
    return positive.to(active.dtype), positive | ~unknown


def teacher_targets(batch: SceneBatch, related: Tensor) -> tuple[Tensor, Tensor]:
    """Soft targets and whether they are known, for one caption a class: both (B, T / 2, C).

    Where an event's own label may be the class and the teacher does not hear it, the label is trusted and nothing
    is learnt from the teacher.
    """
    active = batch.event_active.transpose(1, 2)  # (B, T, E)
    pairs = active.unflatten(1, (-1, 2)).amax(dim=2)  # (B, T / 2, E)
    may_be = pairs @ related[batch.labels].to(pairs.dtype) > 0
    doubted = may_be & (batch.teacher < 0.5)
    return batch.teacher, ~(doubted | batch.teacher_unknown[:, None, :])


@dataclass(frozen=True, slots=True)
class RegionTargets:
    """The regions of a batch, R of them, and the captions that they are told apart by, Q of them.

    Attributes:
        active: which frames each region covers, (R, T).
        recording: which recording of the batch each region is of, (R,).
        text: which caption each region has, (R,).
        said: whether a caption is one of the recording's own, (B, Q).
        valid: which frames hold sound of the recording, (B, T).
    """

    active: Tensor
    recording: Tensor
    text: Tensor
    said: Tensor
    valid: Tensor

    @classmethod
    def of(cls, batch: CaptionedBatch, texts: Sequence[str]) -> "RegionTargets":
        """Those of a batch; `texts` holds each caption of its events once, and may hold others."""
        device, index = batch.waveform.device, {text: q for q, text in enumerate(texts)}
        recording = torch.tensor([event.recording for event in batch.events], dtype=torch.int64, device=device)
        text = torch.tensor([index[event.text] for event in batch.events], dtype=torch.int64, device=device)
        said = torch.zeros(len(batch.waveform), len(texts), dtype=torch.bool, device=device)
        said[recording, text] = True
        return cls(batch.event_mask(), recording, text, said, batch.valid_mask())

    def frame_targets(self) -> tuple[Tensor, Tensor]:
        """Where each caption is true, and where that is known: both (B, T, Q).

        It is true in the regions that have it, and false elsewhere in its own recording and in all others.
        """
        n_recordings, n_texts = self.said.shape
        true = torch.zeros(n_recordings, n_texts, self.active.shape[1], device=self.active.device)
        true.index_put_((self.recording, self.text), self.active.float(), accumulate=True)
        known = self.valid[:, :, None].expand(-1, -1, n_texts)
        return true.clamp(max=1).transpose(1, 2), known
