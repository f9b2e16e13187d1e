"""Random changes of spectrograms (SpecAugment, arXiv 1904.08779) and of cached maps during training."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.towers.front_end import WideLogMel

EQUALIZED = 0.5
"""Share of the spectrograms that are equalized."""
EQUALIZER_KNOTS = 6
"""Number of bands with a random gain; between them the gain in dB is interpolated."""


def mask_spectrogram(log_mel: Tensor, time_mask_s: float, mel_mask_bands: int) -> Tensor:
    """Masks one random stretch of time and one random range of mel bands of each spectrogram.

    Masked elements get the mean of their spectrogram. The length of the stretch and the number of bands are drawn
    uniformly from 0 to the maximum, then their positions are drawn uniformly.

    Args:
        log_mel: log-mel spectrograms with 100 mel frames a second, (B, M, mel).
        time_mask_s: maximum length of the masked stretch, in seconds.
        mel_mask_bands: maximum number of masked mel bands.

    Returns:
        The masked spectrograms, (B, M, mel).
    """
    batch, n_frames, n_bands = log_mel.shape
    max_frames = round(time_mask_s * 100)
    keep = torch.ones_like(log_mel[:, :, :1]).expand_as(log_mel).clone()
    for b in range(batch):
        length, width = int(torch.randint(max_frames + 1, ())), int(torch.randint(mel_mask_bands + 1, ()))
        start, low = int(torch.randint(n_frames - length + 1, ())), int(torch.randint(n_bands - width + 1, ()))
        keep[b, start : start + length] = 0
        keep[b, :, low : low + width] = 0
    return log_mel * keep + log_mel.mean(dim=(1, 2), keepdim=True) * (1 - keep)


def equalize(log_mel: Tensor, max_db: float) -> Tensor:
    """Amplifies half of the spectrograms by a smooth random curve over their bands, as other rooms and microphones would.

    Args:
        log_mel: spectrograms of `WideLogMel`, (B, M, mel).
        max_db: largest gain and largest attenuation, in dB.

    Returns:
        The spectrograms, (B, M, mel).
    """
    batch, _, n_bands = log_mel.shape
    knots_db = max_db * (2 * torch.rand(batch, 1, EQUALIZER_KNOTS, device=log_mel.device) - 1)
    knots_db *= torch.rand(batch, 1, 1, device=log_mel.device) < EQUALIZED
    gains_db = F.interpolate(knots_db, size=n_bands, mode="linear", align_corners=True)
    return WideLogMel.amplified(log_mel, 10 ** (gains_db / 10))


def disturb_maps(maps: list[Tensor], noise: float, dropout: float) -> list[Tensor]:
    """Adds noise to standardized maps and removes random channels.

    Args:
        maps: standardized maps, (B, steps, channels) each.
        noise: standard deviation of the Gaussian noise on each value.
        dropout: probability that a channel of a scene is set to its mean, 0. The other channels are not scaled up.

    Returns:
        The changed maps, of the same shapes.
    """
    if noise > 0:
        maps = [values + noise * torch.randn_like(values) for values in maps]
    if dropout > 0:
        maps = [values * (torch.rand_like(values[:, :1]) >= dropout) for values in maps]
    return maps
