"""SpecAugment (arXiv 1904.08779): what is hidden of a spectrogram."""

import torch
from torch import Tensor

from training.recipe import OptimizationConfig


def mask(log_mel: Tensor, config: OptimizationConfig) -> Tensor:
    """Log-mel (B, T, F) with a stretch of time and a band of mel at the spectrogram's mean, drawn for each scene."""
    batch, n_frames, n_bands = log_mel.shape
    time_frames, bands = round(config.time_mask_s * 100), config.mel_mask_bands
    keep = torch.ones_like(log_mel[:, :, :1]).expand_as(log_mel).clone()
    for b in range(batch):
        length, width = int(torch.randint(time_frames + 1, ())), int(torch.randint(bands + 1, ()))
        start, low = int(torch.randint(n_frames - length + 1, ())), int(torch.randint(n_bands - width + 1, ()))
        keep[b, start : start + length] = 0
        keep[b, :, low : low + width] = 0
    return log_mel * keep + log_mel.mean(dim=(1, 2), keepdim=True) * (1 - keep)
