"""The two towers and the sigmoid that joins them."""

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.choice import AudioConfig, build_audio_tower
from training.towers.text import SentenceEncoder, TextTowerConfig, build_projection


class ModelConfig(Protocol):
    """The part of a recipe that decides which weights a model has."""

    @property
    def audio(self) -> AudioConfig:
        """Configuration of the audio tower."""
        ...

    @property
    def text(self) -> TextTowerConfig:
        """Configuration of the text tower."""
        ...

    @property
    def centred(self) -> bool:
        """Whether each query's similarity with the mean frame is subtracted from its similarities."""
        ...


class TextDependentSigmoid(nn.Module):
    """Predicts scale and bias of the sigmoid of each text from its embedding: FLAM (arXiv 2505.05335).

    Before training, every scale is 10 and every bias is -8. `service.core.scoring.text_dependent_logits` has the scores.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.log_scale = nn.Linear(dimension, 1)
        self.bias = nn.Linear(dimension, 1)
        for layer, value in ((self.log_scale, math.log(10.0)), (self.bias, -8.0)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, value)

    def forward(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Query embeddings (Q, D) to scales and biases, (Q,) each."""
        return self.log_scale(queries).squeeze(-1).float().exp(), self.bias(queries).squeeze(-1).float()

    def stacked(self, queries: Tensor) -> Tensor:
        """Query embeddings (Q, D) to scales and biases as one tensor, (Q, 2)."""
        return torch.stack(self(queries), dim=-1)


class LanguageAudioModel(nn.Module):
    """Frame and query embeddings in one space, and the scale and bias of `sigmoid(scale * similarity + bias)`.

    A sentence encoder that is trained is a part of the model; one that is frozen lives outside: `projection` takes its
    sentence embeddings.

    Some queries are near to every sound and some to none. Where the recipe is `centred`, `frames` and `queries`, the embeddings
    that are served, have one channel more than those that are trained, through which each query's similarity with the mean
    frame, `centre`, is taken off: the text-dependent bias of FLAM (arXiv 2505.05335), without training it. Where that is trained
    (`own_sigmoid`), they are those that are trained.
    """

    centre: Tensor | None

    def __init__(self, config: ModelConfig, encoder: SentenceEncoder) -> None:
        super().__init__()
        self.audio = build_audio_tower(config.audio)
        self.encoder = encoder if config.text.trained else None
        self.projection = build_projection(encoder.channels, self.audio.dimension, config.text)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))
        self.own_sigmoid = TextDependentSigmoid(self.audio.dimension) if config.text.own_sigmoid else None
        centred = config.centred and not config.text.own_sigmoid
        self.register_buffer("centre", torch.zeros(self.audio.dimension) if centred else None)

    @property
    def dimension(self) -> int:
        """Channels of the embeddings that are served."""
        return self.audio.dimension + (self.centre is not None)

    @property
    def pretrained_prefixes(self) -> tuple[str, ...]:
        """What the names of the parameters begin with that were trained before, and learn slower."""
        return f"audio.{self.audio.pretrained_prefix}", "encoder."

    def served_frames(self, waveform: Tensor) -> Tensor:
        """Waveforms (B, N) to the frame embeddings that are served, (B, T, D or D + 1), of unit norm."""
        frames = self.audio(waveform)
        if self.centre is None:
            return frames
        return torch.cat([frames, torch.ones_like(frames[..., :1])], dim=-1) * math.sqrt(0.5)

    def served_queries(self, sentences: Tensor) -> Tensor:
        """Sentence embeddings (Q, C) to the query embeddings that are served, (Q, D or D + 1), of unit norm."""
        queries = self.projection(sentences)
        if self.centre is None:
            return queries
        return F.normalize(torch.cat([queries, -(queries * self.centre).sum(dim=-1, keepdim=True)], dim=-1), dim=-1)

    def logits(self, similarity: Tensor, queries: Tensor) -> Tensor:
        """Similarities (..., Q) of frames and query embeddings (Q, D), as trained, to the logits of scores, in float32."""
        scale, bias = self.own_sigmoid(queries) if self.own_sigmoid else (self.scale, self.bias)
        return scale * similarity.float() + bias

    @property
    def scale(self) -> Tensor:
        """The learned scale, positive."""
        return self.log_scale.exp()
