"""The optimizer, the schedule of its learning rate, and the moving average of the weights."""

import math

import torch
from torch import nn
from torch.optim import AdamW

from training.model import LanguageAudioModel
from training.recipe import OptimizationConfig


def make_optimizer(model: LanguageAudioModel, config: OptimizationConfig) -> AdamW:
    """Builds AdamW with a learning-rate factor and a weight decay for each parameter.

    The factor is `trunk_factor` for pretrained parameters, `sigmoid_factor` for the scale and the bias of the sigmoid, and 1
    for all others. A parameter group holds its factor under the key "factor"; the training loop multiplies the scheduled
    learning rate by it. Weight decay applies to matrices and kernels only, not to scales, biases and norms.
    """
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
    """Returns the learning rate of a step, before the factor of a parameter group is applied.

    The rate rises linearly over `warmup_steps`, then follows a cosine over `decay_steps` down to `floor` times the configured
    rate, and then stays there. With `decay_steps` of 0 the cosine spans all steps after the warm-up.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    decay_steps = config.decay_steps or max(1, config.steps - config.warmup_steps)
    progress = min(1.0, (step - config.warmup_steps) / decay_steps)
    return config.learning_rate * (config.floor + (1 - config.floor) * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Updates an exponential moving average of the weights in place: `average = decay * average + (1 - decay) * model`.

    Buffers, such as the running statistics of a batch norm, are copied.
    """
    for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(parameter, 1 - decay)
    for mean, value in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(value)
