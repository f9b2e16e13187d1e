from pathlib import Path

import torch

from training.recipe import read_recipe
from training.towers.masking import mask


def test_masks_hide_a_stretch_and_a_band_at_most() -> None:
    torch.manual_seed(0)
    config = read_recipe(Path("training/recipes/tiny.toml")).optimization
    log_mel = torch.randn(8, 400, 64)
    changed = mask(log_mel, config.time_mask_s, config.mel_mask_bands) != log_mel
    rows, columns = changed.all(dim=2).sum(dim=1), changed.all(dim=1).sum(dim=1)
    assert int(rows.max()) <= round(config.time_mask_s * 100)
    assert int(columns.max()) <= config.mel_mask_bands
    assert changed.any()
