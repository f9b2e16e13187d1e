from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.unit.training.towers.test_pyramid import narrow
from training.data.batch import CaptionedBatch
from training.initial_model import initial_model, measure_statistics
from training.recipe import Recipe, read_recipe
from training.source import scene_source
from training.towers.pyramid import PyramidTower
from training.towers.text import SentenceEncoder, TextTowerConfig

TOWER = "audio={kind='pyramid', width=0.125, dimension=16, head_channels=16, head_blocks=1}"


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(TextTowerConfig())


def tiny(pack: Path, *overrides: str) -> Recipe:
    return read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={pack}", *overrides])


def noise(seed: int) -> Iterator[CaptionedBatch]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        waveform = 0.1 * torch.randn(3, 16 * 640, generator=generator)
        yield CaptionedBatch(waveform, torch.full((3,), 16), n_frames=16)


def test_the_maps_of_the_measured_batches_have_mean_0_and_deviation_1() -> None:
    tower = narrow()
    measure_statistics(tower, noise(seed=1), torch.device("cpu"))
    with torch.no_grad():
        batches = [tower.maps(tower.spectrogram(batch.waveform)) for batch in noise(seed=1)]
    for standardize, *maps in zip(tower.standardizations, *batches, strict=True):
        rows = torch.cat(maps).flatten(0, 1)
        assert torch.allclose(rows.mean(dim=0), torch.zeros(rows.shape[1]), atol=1e-3)
        varies = standardize.deviation > 1.1e-3  # a channel that hardly varies is divided by 1e-3
        assert varies.any()
        assert torch.allclose(rows[:, varies].std(dim=0, correction=0), torch.ones(int(varies.sum())), atol=1e-2)


def test_a_run_that_continues_measures_nothing(tiny_pack: Path, encoder: SentenceEncoder) -> None:
    recipe = tiny(tiny_pack, TOWER)
    source, device = scene_source(recipe, encoder), torch.device("cpu")
    measured, unmeasured = (initial_model(recipe, source, encoder, device, warm).audio for warm in (True, False))
    assert isinstance(measured, PyramidTower)
    assert isinstance(unmeasured, PyramidTower)
    assert not torch.equal(measured.standardizations[0].mean, unmeasured.standardizations[0].mean)
    assert float(unmeasured.standardizations[0].mean.abs().max()) == 0


def test_a_run_that_starts_from_a_checkpoint_has_its_weights_and_statistics(
    tiny_pack: Path, encoder: SentenceEncoder, tmp_path: Path
) -> None:
    recipe, device = tiny(tiny_pack, TOWER), torch.device("cpu")
    source = scene_source(recipe, encoder)
    first = initial_model(recipe, source, encoder, device)
    torch.save({"average": first.state_dict()}, tmp_path / "checkpoint.pt")
    again = initial_model(tiny(tiny_pack, TOWER, f"start={tmp_path / 'checkpoint.pt'}"), source, encoder, device)
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in again.state_dict().items())
