"""Losses between frames and captions."""

import torch
from torch import Tensor
from torch.nn import functional as F


def frame_sigmoid_loss(
    similarity: Tensor, target: Tensor, known: Tensor, scale: Tensor, bias: Tensor
) -> Tensor:
    """Binary cross-entropy of every frame with every caption, as SigLIP (arXiv 2303.15343) does with images.

    Args:
        similarity: cosines (B, T, Q).
        target: how true the caption is of the frame, in [0, 1], (B, T, Q).
        known: False where neither yes nor no may be learnt, (B, T, Q).
        scale: the learned scale, a scalar.
        bias: the learned bias, a scalar.

    Returns:
        The loss summed over captions and averaged over frames.
    """
    logits = scale * similarity + bias
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return torch.where(known, losses, 0.0).sum(dim=-1).mean()
