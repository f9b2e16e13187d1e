"""The model: an audio tower, a text tower, and the sigmoid that maps their similarity to a score."""

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

    Before training, every scale is 10 and every bias is -8. `service.core.scoring.EncodedQueries` computes the scores.
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
    """Frame and query embeddings in one space, and the scale and bias of `score = sigmoid(scale * similarity + bias)`.

    The text tower is a sentence encoder and a projection. A trained sentence encoder is part of the model. A frozen sentence
    encoder is not part of the model; its sentence embeddings are the input of `projection`.

    Shapes: D channels of the shared space (the trained embeddings), C channels of a sentence embedding.

    *Centring.* Some queries are similar to every sound, others to none. A model whose configuration is `centred` therefore
    serves embeddings of D + 1 channels, which are built from the trained embeddings of D channels. The additional channel
    subtracts the query's similarity with the mean frame, `centre`, from every similarity of the query. The effect is that of
    the text-dependent bias of FLAM (arXiv 2505.05335), but the subtraction has no trained parameters.

    *Text-dependent sigmoid.* With `text.own_sigmoid`, the scale and the bias of each query are predicted from its embedding,
    as in FLAM. Such a model is never centred: the served embeddings are the trained embeddings, of D channels.

    Attributes:
        audio: the audio tower.
        encoder: the sentence encoder if it is trained, else None.
        projection: maps sentence embeddings to query embeddings.
        log_scale: logarithm of the scale that all queries share.
        bias: the bias that all queries share.
        own_sigmoid: predicts the scale and the bias of each query, or None.
        centre: mean of the trained frame embeddings, (D,), or None if the model is not centred.
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
        """Number of channels of the served embeddings: D + 1 if the model is centred, else D."""
        return self.audio.dimension + (self.centre is not None)

    @property
    def pretrained_prefixes(self) -> tuple[str, ...]:
        """Name prefixes of the pretrained parameters, which are trained with a lower learning rate."""
        return f"audio.{self.audio.pretrained_prefix}", "encoder."

    def served_frames(self, waveform: Tensor) -> Tensor:
        """Returns the served frame embeddings of waveforms (B, N): (B, T, `dimension`), unit norm."""
        frames = self.audio(waveform)
        if self.centre is None:
            return frames
        return torch.cat([frames, torch.ones_like(frames[..., :1])], dim=-1) * math.sqrt(0.5)

    def served_queries(self, sentences: Tensor) -> Tensor:
        """Returns the served query embeddings of sentence embeddings (Q, C): (Q, `dimension`), unit norm."""
        queries = self.projection(sentences)
        if self.centre is None:
            return queries
        return F.normalize(torch.cat([queries, -(queries * self.centre).sum(dim=-1, keepdim=True)], dim=-1), dim=-1)

    def logits(self, similarity: Tensor, queries: Tensor) -> Tensor:
        """Returns the logits of the scores, `scale * similarity + bias`, in float32.

        Args:
            similarity: cosines of trained frame and query embeddings, (..., Q).
            queries: trained query embeddings, (Q, D). Only the text-dependent sigmoid uses them.
        """
        scale, bias = self.own_sigmoid(queries) if self.own_sigmoid else (self.scale, self.bias)
        return scale * similarity.float() + bias

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.bias.device

    @property
    def scale(self) -> Tensor:
        """The scale that all queries share; always positive."""
        return self.log_scale.exp()
