from pathlib import Path

import pytest

from training.optimization import learning_rate
from training.recipe import read_recipe


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth() -> None:
    config = read_recipe(Path("training/recipes/tiny.toml")).optimization
    rates = [learning_rate(step, config) for step in range(config.steps + 1)]
    assert rates[config.warmup_steps - 1] == pytest.approx(config.learning_rate)
    assert max(rates) == pytest.approx(config.learning_rate)
    assert rates[-1] == pytest.approx(config.learning_rate / 100)
