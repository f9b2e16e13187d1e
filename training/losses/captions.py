"""The losses of TACOS (arXiv 2505.07609): a clip with its caption, and the frames of a region with the region's caption."""

import torch
from torch import Tensor
from torch.nn import functional as F


def clip_contrastive_loss(clips: Tensor, captions: Tensor, recording: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE of clips with their captions; other captions of the same recording are no negatives.

    Args:
        clips: unit-norm embeddings (P, D) of the clips of P pairs; a clip with several captions is in several.
        captions: unit-norm embeddings (P, D) of the captions.
        recording: which recording each pair is of, (P,).
        temperature: what cosines are divided by.

    Returns:
        The mean of both directions over the pairs; 0 without any.
    """
    pairs = torch.arange(len(clips), device=clips.device)
    also_true = (recording[:, None] == recording) & (pairs[:, None] != pairs)
    logits = (clips @ captions.T).float() / temperature  # (P, P)
    logits = logits.masked_fill(also_true, torch.finfo(logits.dtype).min)
    losses = F.cross_entropy(logits, pairs, reduction="sum") + F.cross_entropy(logits.T, pairs, reduction="sum")
    return losses / 2 / max(1, len(clips))


def region_contrastive_losses(
    similarity: Tensor, active: Tensor, recording: Tensor, text: Tensor, said: Tensor, temperature: float
) -> Tensor:
    """Cross-entropy of a region's frames with its caption among the captions of other recordings.

    The other captions of its own recording are no candidates, even where another recording shares one. Frames outside
    every region get nothing: nothing teaches absence.

    Args:
        similarity: cosines (B, T, Q) of frames with the batch's unique captions.
        active: which frames each region covers, at least one, (R, T).
        recording: which recording of the batch each region is of, (R,).
        text: which caption each region has, (R,).
        said: whether a caption is one of the recording's own, (B, Q).
        temperature: what cosines are divided by.

    Returns:
        Each region's mean over its frames: (R,).
    """
    logits = similarity.float() / temperature
    negatives = logits.masked_fill(said[:, None, :], torch.finfo(logits.dtype).min).logsumexp(dim=-1)  # (B, T)
    losses = F.softplus(negatives[recording] - logits[recording, :, text])  # -log(exp(own) / (exp(own) + negatives))
    return (losses * active).sum(dim=1) / active.sum(dim=1)
