"""How weights follow gradients: the optimizer, its rate over time, and the average of the weights."""

import math

import torch
from torch import nn
from torch.optim import AdamW

from training.model import LanguageAudioModel
from training.recipe import OptimizationConfig


def make_optimizer(model: LanguageAudioModel, config: OptimizationConfig) -> AdamW:
    """AdamW; what was trained before learns slower, and scale, biases and norms do not decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            factor = config.trunk_factor if name.startswith(model.pretrained_prefixes) else 1.0
            factor = config.sigmoid_factor if name.startswith(("log_scale", "bias", "own_sigmoid.")) else factor
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return AdamW(
        [{"params": p, "factor": f, "weight_decay": d} for (f, d), p in groups.items()], lr=config.learning_rate
    )


def learning_rate(step: int, config: OptimizationConfig) -> float:
    """Linear warm-up, then a cosine to the floor, where it stays."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    decay_steps = config.decay_steps or max(1, config.steps - config.warmup_steps)
    progress = min(1.0, (step - config.warmup_steps) / decay_steps)
    return config.learning_rate * (config.floor + (1 - config.floor) * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """An exponential moving average of the weights, in place; a batch norm's own averages are taken as they are."""
    for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(parameter, 1 - decay)
    for mean, value in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(value)
