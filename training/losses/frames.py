"""Losses between every frame and every caption, given targets for each frame.

Shapes: B scenes or recordings, T frames, Q captions. `target` and `known` come from `training.losses.targets`.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def frame_sigmoid_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of every frame with every caption.

    SigLIP (arXiv 2303.15343) uses this loss between images and captions, FLAM (arXiv 2505.05335) between frames and
    captions.

    Args:
        logits: logits of the scores, `scale * cosine + bias`, (B, T, Q).
        target: degree to which the caption is true of the frame, in [0, 1], (B, T, Q).
        known: False where the target is unknown, (B, T, Q). Those elements contribute 0.

    Returns:
        The sum over the captions, averaged over all B T frames: a scalar.
    """
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return torch.where(known, losses, 0.0).sum(dim=-1).mean()


def frame_contrastive_losses(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy between a frame and each caption that is true of it, as in TACOS (arXiv 2505.07609).

    A true caption with logit `l+` contributes `-log(exp(l+) / (exp(l+) + sum of exp(l-)))`, where `l-` are the logits of
    the captions that are known to be false of the frame. Other true captions of the frame are left out.

    Args:
        logits: logits of the scores, `scale * cosine + bias`, (B, T, Q). The scale acts as an inverse temperature; a
            bias that all captions share cancels out.
        target: above 0 where the caption is true of the frame, (B, T, Q).
        known: False where the target is unknown, (B, T, Q).

    Returns:
        One loss for every pair of a frame and a true caption, (P,). P is 0 if no caption is true of any frame.
    """
    negatives = logits.masked_fill((target > 0) | ~known, -torch.inf).logsumexp(dim=-1, keepdim=True)  # (B, T, 1)
    losses = F.softplus(negatives - logits)  # -log(exp(l+) / (exp(l+) + sum of exp(l-)))
    return losses[target > 0]


def overlap_losses(logits: Tensor, target: Tensor, known: Tensor, smoothing: float = 1.0) -> Tensor:
    """One minus the soft Dice overlap (arXiv 1606.04797) of score and target over time.

    For one scene and one caption, with the score `s` and the target `y` of each frame, the loss is
    `1 - (2 sum(s y) + smoothing) / (sum(s) + sum(y) + smoothing)`. Every pair of a scene and a caption has the same
    weight, however short the sound is, while a sound of a few frames hardly changes a loss that is averaged over frames.
    This loss therefore sharpens the onsets and offsets.

    Args:
        logits: logits of the scores, (B, T, Q).
        target: 1 where the caption is true of the frame, else 0, (B, T, Q).
        known: False where the target is unknown, (B, T, Q). The score counts as 0 there.
        smoothing: number of frames added to the numerator and the denominator.

    Returns:
        One loss for every pair of a scene and a caption that is true in at least one of its frames, (P,).
    """
    scene, caption = torch.nonzero((target > 0).any(dim=1), as_tuple=True)  # (P,)
    truth = target[scene, :, caption]  # (P, T)
    score = torch.sigmoid(logits[scene, :, caption]) * known[scene, :, caption]
    overlap = (2 * (score * truth).sum(dim=1) + smoothing) / (score.sum(dim=1) + truth.sum(dim=1) + smoothing)
    return 1 - overlap
