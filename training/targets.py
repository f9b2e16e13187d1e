"""What each frame of a batch says of each caption: yes, no, or nothing."""

from torch import Tensor

from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN
from training.synthesis.batches import Batch


def label_targets(batch: Batch, relation: Tensor) -> tuple[Tensor, Tensor]:
    """Targets and whether they are known, for one caption a label: both (B, T, L).

    A caption is true where an event of its label, or of one that implies it, is active; unknown where only events
    are that it may also be said of, and throughout where the ambience may hold it.
    """
    active = batch.active.transpose(1, 2)  # (B, T, E)
    own = relation[batch.labels]  # (B, E, L)
    positive = active @ (own == POSITIVE).to(active.dtype) > 0
    unknown = active @ (own == UNKNOWN).to(active.dtype) > 0
    behind = (relation[batch.ambience] != NEGATIVE) & (batch.ambience >= 0)[:, None]  # (B, L)
    unknown |= behind[:, None, :]
    return positive.to(active.dtype), positive | ~unknown


def teacher_targets(batch: Batch, related: Tensor) -> tuple[Tensor, Tensor]:
    """Soft targets and whether they are known, for one caption a class: both (B, T / 2, C).

    Where an event's own label may be the class and the teacher does not hear it, the label is trusted and nothing
    is learnt from the teacher.
    """
    active = batch.active.transpose(1, 2)  # (B, T, E)
    pairs = active.unflatten(1, (-1, 2)).amax(dim=2)  # (B, T / 2, E)
    may_be = pairs @ related[batch.labels].to(pairs.dtype) > 0
    doubted = may_be & (batch.teacher < 0.5)
    return batch.teacher, ~(doubted | batch.teacher_unknown[:, None, :])
