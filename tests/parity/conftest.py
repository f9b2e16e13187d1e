from pathlib import Path

import pytest

from training.recipe import read_recipe
from training.train import train


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={tiny_pack}"])
    return train(recipe, tmp_path_factory.mktemp("run"))
