from pathlib import Path

import pytest
import torch

from training.recipe import read_recipe
from training.train import train


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={tiny_pack}"])
    return train(recipe, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def text_dependent_checkpoint(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with text-dependent sigmoids whose scales and biases differ widely between queries."""
    overrides = [f"data.folder={tiny_pack}", "text.own_sigmoid=true", "optimization.steps=10"]
    file = train(read_recipe(Path("training/recipes/tiny.toml"), overrides), tmp_path_factory.mktemp("text_dependent"))
    checkpoint = torch.load(file, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, spread in (("log_scale", 0.5), ("bias", 3.0)):
        weight = checkpoint["average"][f"own_sigmoid.{name}.weight"]
        weight += spread * torch.randn(weight.shape, generator=generator)
    checkpoint["average"]["own_sigmoid.bias.bias"] += 5.0  # from -8, at which a tiny model scores nothing
    torch.save(checkpoint, file)
    return file
