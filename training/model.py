"""The two towers and the sigmoid that joins them."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.towers.audio import AudioTower, AudioTowerConfig
from training.towers.text import SentenceEncoder, TextProjection, TextTowerConfig


class LanguageAudioModel(nn.Module):
    """Frame and query embeddings in one space, and the scale and bias of `sigmoid(scale * similarity + bias)`.

    The sentence encoder is frozen and lives outside: `projection` takes its sentence embeddings.
    """

    def __init__(self, audio: AudioTowerConfig, text: TextTowerConfig, sentence_channels: int) -> None:
        super().__init__()
        self.audio = AudioTower(audio)
        self.projection = TextProjection(sentence_channels, audio.dimension, text)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    @property
    def scale(self) -> Tensor:
        """The learned scale, positive."""
        return self.log_scale.exp()


def load_checkpoint(file: Path) -> tuple[LanguageAudioModel, SentenceEncoder, dict[str, Any]]:
    """The model of a checkpoint (its averaged weights), the sentence encoder it was trained with, and the checkpoint."""
    from training.recipe import recipe_from_dict

    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    recipe = recipe_from_dict(checkpoint["recipe"])
    encoder = SentenceEncoder(recipe.text.encoder)
    model = LanguageAudioModel(recipe.audio, recipe.text, encoder.channels)
    model.load_state_dict(checkpoint["average"])
    return model.eval(), encoder, checkpoint
