"""Losses between every frame and every caption, from what is known to be true of each frame."""

import torch
from torch import Tensor
from torch.nn import functional as F


def frame_sigmoid_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of every frame with every caption, as SigLIP (arXiv 2303.15343) does with images.

    Args:
        logits: those of the scores, `scale * cosine + bias`, (B, T, Q).
        target: how true the caption is of the frame, in [0, 1], (B, T, Q).
        known: False where neither yes nor no may be learnt, (B, T, Q).

    Returns:
        The loss summed over captions and averaged over frames.
    """
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return torch.where(known, losses, 0.0).sum(dim=-1).mean()


def frame_contrastive_losses(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of an active frame's captions among all captions, as TACOS (arXiv 2505.07609) does with regions.

    Each true caption competes with the captions that are known not to be true of its frame; other true ones are left
    out.

    Args:
        logits: those of the scores, `scale * cosine + bias`, (B, T, Q); the scale is an inverse temperature.
        target: 1 where the caption is true of the frame, (B, T, Q).
        known: False where neither yes nor no may be learnt, (B, T, Q).

    Returns:
        One for every pair of a frame and a caption true of it.
    """
    negatives = logits.masked_fill((target > 0) | ~known, -torch.inf).logsumexp(dim=-1, keepdim=True)  # (B, T, 1)
    losses = F.softplus(negatives - logits)  # -log(exp(l) / (exp(l) + sum of negatives))
    return losses[target > 0]


def overlap_losses(logits: Tensor, target: Tensor, known: Tensor, smoothing: float = 1.0) -> Tensor:
    """One minus the soft overlap (Dice, arXiv 1606.04797) of score and truth over time, of the captions heard in a scene.

    Each scene's caption counts the same however long it is heard, where the per-frame losses hardly see a sound of a few frames:
    this one makes the edges sharp.

    Args:
        logits: those of the scores, (B, T, Q).
        target: 1 where the caption is true of the frame, (B, T, Q).
        known: False where neither yes nor no may be learnt, (B, T, Q).
        smoothing: frames added to both sides of the ratio.

    Returns:
        One for every pair of a scene and a caption true somewhere in it.
    """
    scene, caption = torch.nonzero((target > 0).any(dim=1), as_tuple=True)  # (P,)
    truth = target[scene, :, caption]  # (P, T)
    counted = known[scene, :, caption]
    score = torch.sigmoid(logits[scene, :, caption]) * counted
    overlap = (2 * (score * truth).sum(dim=1) + smoothing) / (score.sum(dim=1) + truth.sum(dim=1) + smoothing)
    return 1 - overlap
