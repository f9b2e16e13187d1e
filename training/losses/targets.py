"""Targets of the losses: whether each caption is true of each frame, false of it, or unknown.

Every function returns two tensors of the same shape. The *target* is the degree to which the caption is true of the frame,
in [0, 1]. The *known mask* is False where it is unknown whether the caption is true; the losses ignore those elements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.batch import CaptionedBatch
from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN
from training.data.scene_batch import SceneBatch

DOUBTED_SCORE = 0.5
"""If the teacher scores a class below this value, but the label of an active event may be the class, the teacher's score is
ignored."""


def label_targets(batch: SceneBatch, relation: Tensor) -> tuple[Tensor, Tensor]:
    """Targets for one caption of each of the L labels, from the labels of the events.

    For the caption of label m and a frame:

    - true, if an active event has a label whose relation to m is POSITIVE (label m itself, or a label that implies m);
    - otherwise unknown, if an active event has a label whose relation to m is UNKNOWN (the caption may describe the event);
    - otherwise unknown, if the scene's ambience may contain m, in every frame of the scene;
    - otherwise false.

    Args:
        batch: B scenes of T frames.
        relation: POSITIVE, NEGATIVE or UNKNOWN for the label of an event (row) and a caption's label (column), (L, L).

    Returns:
        The target, 0 or 1, and the known mask: (B, T, L) each.
    """
    active = batch.event_active.transpose(1, 2)  # (B, T, E)
    event_relation = relation[batch.labels]  # (B, E, L)
    positive = active @ (event_relation == POSITIVE).to(active.dtype) > 0
    unknown = active @ (event_relation == UNKNOWN).to(active.dtype) > 0
    in_ambience = (relation[batch.ambience] != NEGATIVE) & (batch.ambience >= 0)[:, None]  # (B, L)
    unknown |= in_ambience[:, None, :]
    return positive.to(active.dtype), positive | ~unknown


def absent_known(batch: SceneBatch, may_be: Tensor) -> Tensor:
    """Where it is known that captions of no label are false: where no sound is heard of which the caption may be true.

    Args:
        batch: B scenes of T frames.
        may_be: True where caption k may be true of a recording of label l, (K, L).

    Returns:
        The known mask, (B, T, K). The target of absent captions is 0.
    """
    active = batch.event_active.transpose(1, 2)  # (B, T, E)
    may_be_event = may_be.T[batch.labels].to(active.dtype)  # (B, E, K)
    in_ambience = may_be.T[batch.ambience] & (batch.ambience >= 0)[:, None]  # (B, K)
    return ~((active @ may_be_event > 0) | in_ambience[:, None, :])


def teacher_targets(batch: SceneBatch, related: Tensor) -> tuple[Tensor, Tensor]:
    """Soft targets for one caption of each of the C classes of the teacher: the teacher's scores.

    The target is unknown in two cases: the scene's ambience may contain the class, or the label of an active event may be
    the class but the teacher scores the class below DOUBTED_SCORE. In the second case the label is trusted more than the
    teacher.

    Args:
        batch: B scenes of T frames; a frame of the teacher spans two frames.
        related: True where a label (row) may be the same sound as a class (column), (L, C).

    Returns:
        The target in [0, 1] and the known mask: (B, T / 2, C) each.
    """
    active = batch.event_active.transpose(1, 2)  # (B, T, E)
    pairs = active.unflatten(1, (-1, 2)).amax(dim=2)  # (B, T / 2, E)
    may_be_class = pairs @ related[batch.labels].to(pairs.dtype) > 0
    contradicts_label = may_be_class & (batch.teacher < DOUBTED_SCORE)
    return batch.teacher, ~(contradicts_label | batch.teacher_unknown[:, None, :])


@dataclass(frozen=True, slots=True)
class RegionTargets:
    """The R captioned regions of B recordings, as indices into a list of Q distinct captions.

    Attributes:
        region_mask: True in the frames that a region covers, (R, T).
        recording: index of each region's recording in the batch, (R,).
        caption: index of each region's caption in the list, (R,).
        recording_has_caption: True where a region of recording b has caption q, (B, Q).
        valid_mask: True in the frames that hold sound of the recording and no padding, (B, T).
    """

    region_mask: Tensor
    recording: Tensor
    caption: Tensor
    recording_has_caption: Tensor
    valid_mask: Tensor

    @classmethod
    def from_batch(cls, batch: CaptionedBatch, captions: Sequence[str]) -> "RegionTargets":
        """Collects the regions of a batch.

        Args:
            batch: the recordings; each of its events is a region.
            captions: distinct captions, which include all captions of the batch's events.
        """
        device, index = batch.waveform.device, {text: q for q, text in enumerate(captions)}
        recording = torch.tensor([event.recording for event in batch.events], dtype=torch.int64, device=device)
        caption = torch.tensor([index[event.text] for event in batch.events], dtype=torch.int64, device=device)
        recording_has_caption = torch.zeros(len(batch.waveform), len(captions), dtype=torch.bool, device=device)
        recording_has_caption[recording, caption] = True
        return cls(batch.event_mask(), recording, caption, recording_has_caption, batch.valid_mask())

    def frame_targets(self) -> tuple[Tensor, Tensor]:
        """Targets for every frame and caption, as in FLAM (arXiv 2505.05335).

        A caption is true in the frames of its regions, and false in all other frames of its recording and in all other
        recordings. Only padding is unknown.

        Returns:
            The target, 0 or 1, and the known mask: (B, T, Q) each.
        """
        n_recordings, n_captions = self.recording_has_caption.shape
        target = torch.zeros(n_recordings, n_captions, self.region_mask.shape[1], device=self.region_mask.device)
        target.index_put_((self.recording, self.caption), self.region_mask.float(), accumulate=True)
        known = self.valid_mask[:, :, None].expand(-1, -1, n_captions)
        return target.clamp(max=1).transpose(1, 2), known  # overlapping regions of one caption add up to more than 1
