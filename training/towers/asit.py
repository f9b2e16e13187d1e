"""ASiT, the audio tower of TACOS: a vision transformer over patches of the spectrogram, and a recurrent layer.

ASiT is arXiv 2211.13189; TACOS (arXiv 2505.07609) starts from its checkpoints in PretrainedSED (MIT), whose names the
modules have.

The grid of 20 ms is nominal. The transformer gives one class token and, for each 160 ms, eight tokens, one a frequency band
of 16 mel bands; TACOS takes all of them in their order for frames of 20 ms. A window of 9.94 s is thus 497 frames:
992 mel frames, 62 time steps. (Upstream cuts windows of 999 mel frames, of which the patches leave the last 7 over.)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.front_end import SAMPLE_RATE_HZ, HalfRate, KaldiFbank
from training.towers.public_checkpoints import load_public_checkpoint
from training.towers.tower import AudioTower, Lengths

PATCH = 16
MEL_PATCHES, STORED_TIME_PATCHES = 8, 37
"""The position embeddings are stored for 128 mel bands and 592 mel frames."""
LONGEST_TIME_PATCHES = 62
CHANNELS, HEADS = 768, 12


@dataclass(frozen=True, slots=True)
class AsitConfig:
    """Shape of the ASiT tower.

    `blocks` transformer blocks (12 in the public checkpoints), then `recurrent_layers` bidirectional GRU layers of
    `recurrent_channels` a direction (0 layers: none) and a map back to 768 channels; `dimension` is D of the shared
    space. `pretrained` is a checkpoint of PretrainedSED to begin with.
    """

    kind: Literal["asit"] = "asit"
    dimension: int = 1024
    blocks: int = 12
    recurrent_layers: int = 1
    recurrent_channels: int = 256
    pretrained: Path | None = None


class PatchEmbedding(nn.Module):
    """Patches of 16 x 16 as vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, CHANNELS, PATCH, stride=PATCH)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, M, mel) to (B, patches, 768), the mel patches of the first 160 ms first."""
        return self.proj(spectrogram[:, None]).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(CHANNELS, 3 * CHANNELS)
        self.proj = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, 768) to the same shape."""
        query, key, value = (
            self.qkv(x).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        )  # each (B, heads, tokens, 64)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two layers with a GELU between."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(CHANNELS, 4 * CHANNELS)
        self.fc2 = nn.Linear(4 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, 768) to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A transformer block that normalizes first."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(CHANNELS, eps=1e-6)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(CHANNELS, eps=1e-6)
        self.mlp = Perceptron()

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, 768) to the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class SpectrogramTransformer(nn.Module):
    """ViT-B over a spectrogram."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, CHANNELS) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + MEL_PATCHES * STORED_TIME_PATCHES, CHANNELS) * 0.02)
        self.patch_embed = PatchEmbedding()
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.norm = nn.LayerNorm(CHANNELS, eps=1e-6)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, M, 128) to (B, 1 + 8 (M // 16), 768): the class token and the patches, time by time."""
        patches = self.patch_embed(spectrogram)
        x = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        x = x + self.positions(spectrogram.shape[1])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def positions(self, mel_frames: int) -> Tensor:
        """The position embeddings of a spectrogram's tokens: (1, tokens, 768).

        Those of the checkpoints are resized with the rows of their grid, which are mel, taken for time. That is how the
        checkpoints were trained, at any length but 592 mel frames.
        """
        if mel_frames == PATCH * STORED_TIME_PATCHES:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].transpose(1, 2).unflatten(2, (MEL_PATCHES, STORED_TIME_PATCHES))
        resized = F.interpolate(grid, size=(mel_frames // PATCH, MEL_PATCHES), mode="bicubic", align_corners=False)
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


class BidirectionalGru(nn.Module):
    """A recurrent layer in both directions of time."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(CHANNELS, channels, layers, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 768) to (B, T, 2 C)."""
        return self.rnn(x)[0]


class AsitTower(AudioTower):
    """Mono 32 kHz waveform to frame embeddings, one every nominal 20 ms.

    A window is any `8 P + 1` frames up to 497, and more are so many whole windows, each as if it were alone: what is
    trained on is what is served.
    """

    sample_rate_hz = 2 * SAMPLE_RATE_HZ
    hop_samples = 640
    lengths = Lengths(step_frames=MEL_PATCHES, extra_frames=1, max_steps=LONGEST_TIME_PATCHES)
    window_frames = 1 + MEL_PATCHES * LONGEST_TIME_PATCHES
    overlap_frames = 0
    pretrained_prefix = "model."
    licence = "MIT: ASiT as PretrainedSED trained it, the start of the audio tower"

    def __init__(self, config: AsitConfig) -> None:
        super().__init__()
        self.half_rate = HalfRate()
        self.front_end = KaldiFbank()
        self.model = SpectrogramTransformer(config.blocks)
        recurrent = config.recurrent_layers > 0
        self.seq_model = (
            BidirectionalGru(config.recurrent_channels, config.recurrent_layers) if recurrent else nn.Identity()
        )
        self.strong_head = nn.Linear(2 * config.recurrent_channels if recurrent else CHANNELS, CHANNELS)
        self.output = nn.Linear(CHANNELS, config.dimension)

    def load_pretrained(self, file: Path) -> None:
        """Takes the transformer of a PretrainedSED checkpoint, and its recurrent layer and strong head where they fit.

        Raises:
            ValueError: it holds another model.
        """
        load_public_checkpoint(self, file)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """`waveform` (B, N) to log-mel (B, M, 128), 992 mel frames a whole window."""
        windows = waveform.unflatten(1, (-1, min(waveform.shape[1], self.window_frames * self.hop_samples)))
        log_mel = self.front_end(self.half_rate(windows.flatten(0, 1)))
        return log_mel.unflatten(0, (waveform.shape[0], -1)).flatten(1, 2)

    def features(self, spectrogram: Tensor) -> Tensor:
        """Log-mel (B, M, 128) to features (B, T, 768)."""
        windows = spectrogram.unflatten(1, (-1, min(spectrogram.shape[1], PATCH * LONGEST_TIME_PATCHES)))
        frames = self.strong_head(self.seq_model(self.model(windows.flatten(0, 1))))
        return frames.unflatten(0, (spectrogram.shape[0], -1)).flatten(1, 2)
