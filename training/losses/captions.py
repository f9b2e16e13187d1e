"""The contrastive losses of TACOS (arXiv 2505.07609): of clip embeddings and captions, and of region frames and captions.

A clip embedding is one embedding of a whole excerpt or scene; see `AudioTower.clip_embeddings`.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.losses.targets import RegionTargets


def clip_contrastive_loss(clips: Tensor, captions: Tensor, recording: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE between clip embeddings and caption embeddings.

    With `l[i, j] = clips[i] . captions[j] / temperature`, pair i contributes the mean of two cross-entropies:
    `-log softmax(l[i, :])[i]` (its caption among all captions) and `-log softmax(l[:, i])[i]` (its clip embedding among
    all clip embeddings). Other pairs of the same recording are also true and are left out of both softmaxes.

    Args:
        clips: unit-norm clip embeddings of P pairs, (P, D). A recording with n captions appears in n pairs.
        captions: unit-norm embeddings of the captions of the pairs, (P, D).
        recording: index of each pair's recording, (P,).
        temperature: divisor of the cosines.

    Returns:
        The mean over the pairs, a scalar; 0 for P = 0.
    """
    pairs = torch.arange(len(clips), device=clips.device)
    also_true = (recording[:, None] == recording) & (pairs[:, None] != pairs)
    logits = (clips @ captions.T).float() / temperature  # (P, P)
    logits = logits.masked_fill(also_true, torch.finfo(logits.dtype).min)
    losses = F.cross_entropy(logits, pairs, reduction="sum") + F.cross_entropy(logits.T, pairs, reduction="sum")
    return losses / 2 / max(1, len(clips))


def region_contrastive_losses(similarity: Tensor, regions: RegionTargets, temperature: float) -> Tensor:
    """Cross-entropy between the frames of a region and the region's caption.

    With `l = similarity / temperature`, a frame of a region contributes `-log(exp(l+) / (exp(l+) + sum of exp(l-)))`.
    `l+` belongs to the region's caption, and `l-` to every caption that the region's recording does not have. The other
    captions of the region's recording are left out, even if another recording has the same captions. Frames outside of
    all regions contribute nothing, so this loss does not teach that a sound is absent.

    Args:
        similarity: cosines of T frames of B recordings with the Q distinct captions of the batch, (B, T, Q).
        regions: R regions of the batch. Each covers at least one frame.
        temperature: divisor of the cosines.

    Returns:
        The mean over each region's frames, (R,).
    """
    logits = similarity.float() / temperature
    not_negative = regions.recording_has_caption[:, None, :]
    negatives = logits.masked_fill(not_negative, torch.finfo(logits.dtype).min).logsumexp(dim=-1)  # (B, T)
    positives = logits[regions.recording, :, regions.caption]  # (R, T)
    losses = F.softplus(negatives[regions.recording] - positives)  # -log(exp(l+) / (exp(l+) + sum of exp(l-)))
    return (losses * regions.region_mask).sum(dim=1) / regions.region_mask.sum(dim=1)
