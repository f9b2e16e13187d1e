"""SpecAugment (arXiv 1904.08779): what is hidden of a spectrogram."""

import torch
from torch import Tensor


def mask(log_mel: Tensor, time_mask_s: float, mel_mask_bands: int) -> Tensor:
    """Sets a random stretch of time and a random range of mel bands of each spectrogram to the spectrogram's mean.

    Args:
        log_mel: log-mel spectrograms with 100 lines a second, (B, T, F).
        time_mask_s: longest masked stretch, in seconds.
        mel_mask_bands: largest number of masked mel bands.
    """
    batch, n_frames, n_bands = log_mel.shape
    time_frames = round(time_mask_s * 100)
    keep = torch.ones_like(log_mel[:, :, :1]).expand_as(log_mel).clone()
    for b in range(batch):
        length, width = int(torch.randint(time_frames + 1, ())), int(torch.randint(mel_mask_bands + 1, ()))
        start, low = int(torch.randint(n_frames - length + 1, ())), int(torch.randint(n_bands - width + 1, ()))
        keep[b, start : start + length] = 0
        keep[b, :, low : low + width] = 0
    return log_mel * keep + log_mel.mean(dim=(1, 2), keepdim=True) * (1 - keep)
