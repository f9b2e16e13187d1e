from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from training.optimization import learning_rate, make_optimizer, update_average
from training.recipe import OptimizationConfig, read_recipe


class SmallModel(nn.Module):
    """One parameter of each kind that the optimizer treats differently."""

    pretrained_prefixes = ("audio.trunk.",)

    def __init__(self) -> None:
        super().__init__()
        self.audio = nn.ModuleDict({"trunk": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.bias = nn.Parameter(torch.tensor(0.0))
        self.frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth() -> None:
    config = read_recipe(Path("training/recipes/tiny.toml")).optimization
    rates = [learning_rate(step, config) for step in range(config.steps + 1)]
    assert rates[config.warmup_steps - 1] == pytest.approx(config.learning_rate)
    assert max(rates) == pytest.approx(config.learning_rate)
    assert rates[-1] == pytest.approx(config.learning_rate / 100)


def test_the_learning_rate_follows_a_cosine_over_the_decay_steps_and_stays_at_the_floor() -> None:
    config = OptimizationConfig(steps=20, learning_rate=1.0, warmup_steps=2, decay_steps=8, floor=0.2)
    rates = {step: learning_rate(step, config) for step in (0, 1, 2, 6, 10, 19)}
    assert rates == pytest.approx({0: 0.5, 1: 1.0, 2: 1.0, 6: 0.6, 10: 0.2, 19: 0.2})
    to_the_end = replace(config, decay_steps=0)  # over the 18 steps after the warm-up
    assert learning_rate(11, to_the_end) == pytest.approx(0.6)


def test_each_parameter_has_its_factor_and_only_matrices_decay() -> None:
    model: Any = SmallModel()
    config = OptimizationConfig(trunk_factor=0.1, sigmoid_factor=5.0, weight_decay=0.01)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = make_optimizer(model, config).param_groups
    assert {
        names[id(parameter)]: (group["factor"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    } == {
        "audio.trunk.weight": (0.1, 0.01),
        "audio.trunk.bias": (0.1, 0.0),
        "audio.head.weight": (1.0, 0.01),
        "audio.head.bias": (1.0, 0.0),
        "log_scale": (5.0, 0.0),
        "bias": (5.0, 0.0),
    }


def test_the_average_of_the_weights_moves_by_the_decay_and_copies_buffers() -> None:
    average, model = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    average.load_state_dict(average.state_dict() | {"weight": torch.tensor([2.0]), "running_mean": torch.tensor([7.0])})
    model.load_state_dict(model.state_dict() | {"weight": torch.tensor([4.0]), "running_mean": torch.tensor([9.0])})
    update_average(average, model, decay=0.75)
    assert average.weight.tolist() == [2.5]  # 0.75 * 2 + 0.25 * 4
    assert average.running_mean is not None
    assert average.running_mean.tolist() == [9.0]
