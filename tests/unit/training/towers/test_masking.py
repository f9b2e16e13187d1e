from pathlib import Path

import pytest
import torch

from training.recipe import read_recipe
from training.towers.front_end import WideLogMel
from training.towers.masking import EQUALIZED, EQUALIZER_KNOTS, disturb_maps, equalize, mask_spectrogram


def test_masks_are_at_most_as_long_and_as_wide_as_configured() -> None:
    torch.manual_seed(0)
    config = read_recipe(Path("training/recipes/tiny.toml")).optimization
    log_mel = torch.randn(8, 400, 64)
    changed = mask_spectrogram(log_mel, config.time_mask_s, config.mel_mask_bands) != log_mel
    rows, columns = changed.all(dim=2).sum(dim=1), changed.all(dim=1).sum(dim=1)
    assert int(rows.max()) <= round(config.time_mask_s * 100)
    assert int(columns.max()) <= config.mel_mask_bands
    assert changed.any()


def test_a_masked_element_has_the_mean_of_its_spectrogram() -> None:
    torch.manual_seed(0)
    log_mel = torch.randn(3, 50, 8)
    masked = mask_spectrogram(log_mel, 0.2, 4)
    changed = masked != log_mel
    means = log_mel.mean(dim=(1, 2), keepdim=True).expand_as(log_mel)
    assert changed.any()
    torch.testing.assert_close(masked[changed], means[changed])


def test_a_mask_is_one_stretch_of_time_and_one_range_of_bands() -> None:
    torch.manual_seed(1)
    log_mel = torch.randn(8, 50, 8)
    changed = mask_spectrogram(log_mel, 0.2, 4) != log_mel
    for scene in changed:
        rows, columns = scene.all(dim=1).nonzero()[:, 0], scene.all(dim=0).nonzero()[:, 0]
        for masked in (rows, columns):
            assert masked.diff().eq(1).all()
        expected = torch.zeros_like(scene)
        expected[rows] = True
        expected[:, columns] = True
        assert torch.equal(scene, expected)


def test_maxima_of_zero_mask_nothing() -> None:
    log_mel = torch.randn(2, 20, 8)
    torch.testing.assert_close(mask_spectrogram(log_mel, 0.0, 0), log_mel, rtol=0, atol=0)


def test_an_equalizer_changes_half_of_the_spectrograms_in_the_same_way_at_all_times() -> None:
    torch.manual_seed(0)
    log_mel = WideLogMel()(torch.randn(1, 3200).expand(200, -1))
    changed_db = 10 * WideLogMel.RANGE * (equalize(log_mel, 6.0) - log_mel) / torch.log(torch.tensor(10.0))
    loud = changed_db[:, :, 20:60]  # far above the floor of the logarithm
    assert torch.allclose(loud, loud[:, :1].expand_as(loud), atol=0.02)
    assert float((loud.abs().amax(dim=(1, 2)) > 0.01).float().mean()) == pytest.approx(EQUALIZED, abs=0.1)
    assert 4 < float(loud.max()) <= 6.02
    assert -6.02 <= float(loud.min()) < -4
    steepest_db = 12 * (EQUALIZER_KNOTS - 1) / 127  # from one band to the next, if two knots are the extremes
    assert float(loud.diff(dim=2).abs().max()) < steepest_db + 0.05


def test_an_equalizer_of_0_db_changes_nothing() -> None:
    log_mel = WideLogMel()(torch.randn(2, 3200))
    torch.testing.assert_close(equalize(log_mel, 0.0), log_mel)


def test_noise_on_maps_has_the_deviation_that_is_configured() -> None:
    torch.manual_seed(0)
    (noisy,) = disturb_maps([torch.ones(4, 50, 100)], noise=0.3, dropout=0.0)
    assert float((noisy - 1).std()) == pytest.approx(0.3, rel=0.05)


def test_a_removed_channel_is_removed_from_its_whole_scene() -> None:
    torch.manual_seed(0)
    first, second = disturb_maps([torch.ones(8, 5, 100), torch.ones(8, 3, 40)], noise=0.0, dropout=0.25)
    for values in (first, second):
        assert torch.equal(values, values[:, :1].expand_as(values))
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=0.05)


def test_without_noise_and_dropout_maps_stay_as_they_are() -> None:
    values = torch.randn(2, 3, 4)
    assert torch.equal(disturb_maps([values], 0.0, 0.0)[0], values)
