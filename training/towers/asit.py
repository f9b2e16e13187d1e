"""ASiT, the audio tower of TACOS: a vision transformer over patches of the spectrogram, then a recurrent layer.

Papers: ASiT is arXiv 2211.13189, TACOS is arXiv 2505.07609. TACOS starts from the ASiT checkpoints of PretrainedSED (MIT
licence). The modules below have the names that they have in those checkpoints.

| property | value |
|---|---|
| input | mono waveform at 32 kHz, resampled to 16 kHz inside the tower |
| hop | 20 ms, nominal (see below) |
| window | 497 frames, 9.94 s |
| receptive context of a frame | the whole window; windows do not overlap and are processed independently |

The hop is nominal. For every 160 ms of sound the transformer computes eight tokens, one for each group of 16 mel bands. It
computes one more token, the class token, for the window. TACOS reads all tokens in order as frames of 20 ms. A token therefore
depends on its frequency range, and its time is known only to 160 ms. A window of 992 mel frames has 62 time steps and thus
1 + 8 * 62 = 497 frames. (PretrainedSED cuts windows of 999 mel frames; the patches do not reach the last 7.)
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
"""The checkpoints hold position embeddings for a grid of 8 x 37 patches: 128 mel bands and 592 mel frames."""
LONGEST_TIME_PATCHES = 62
CHANNELS, HEADS = 768, 12


@dataclass(frozen=True, slots=True)
class AsitConfig:
    """Configuration of the ASiT tower.

    Attributes:
        kind: "asit".
        dimension: number of channels of the shared space, D.
        blocks: number of transformer blocks; 12 in the public checkpoints.
        recurrent_layers: number of bidirectional GRU layers after the transformer. 0 omits them.
        recurrent_channels: channels of the GRU in each direction.
        pretrained: checkpoint of PretrainedSED from which the tower is trained, or None for random weights.
    """

    kind: Literal["asit"] = "asit"
    dimension: int = 1024
    blocks: int = 12
    recurrent_layers: int = 1
    recurrent_channels: int = 256
    pretrained: Path | None = None


class PatchEmbedding(nn.Module):
    """Embeds non-overlapping patches of 16 mel frames x 16 mel bands."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, CHANNELS, PATCH, stride=PATCH)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, M, mel) to (B, patches, 768). The patches are ordered by time, and by frequency within 160 ms."""
        return self.proj(spectrogram[:, None]).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(CHANNELS, 3 * CHANNELS)
        self.proj = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, 768) to the same shape."""
        stacked = self.qkv(x).unflatten(2, (3, HEADS, -1))  # (B, tokens, 3, heads, 64)
        query, key, value = stacked.permute(2, 0, 3, 1, 4)  # each (B, heads, tokens, 64)
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(CHANNELS, 4 * CHANNELS)
        self.fc2 = nn.Linear(4 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, tokens, 768) to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer block: attention and a perceptron, each with a residual connection."""

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
    """A vision transformer of ViT-B width (768 channels, 12 heads) over patches of a spectrogram."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, CHANNELS) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + MEL_PATCHES * STORED_TIME_PATCHES, CHANNELS) * 0.02)
        self.patch_embed = PatchEmbedding()
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.norm = nn.LayerNorm(CHANNELS, eps=1e-6)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, M, 128) to (B, 1 + 8 (M // 16), 768): the class token, then the patches in their order."""
        patches = self.patch_embed(spectrogram)
        x = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        x = x + self.positions(spectrogram.shape[1])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def positions(self, mel_frames: int) -> Tensor:
        """Returns the position embeddings of a spectrogram's tokens, (1, tokens, 768).

        The stored grid has a row for each mel patch and a column for each time patch. For every length except 592 mel frames
        the grid is resized as if its rows were time. This upstream quirk is kept because the checkpoints were trained
        with it.
        """
        if mel_frames == PATCH * STORED_TIME_PATCHES:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].transpose(1, 2).unflatten(2, (MEL_PATCHES, STORED_TIME_PATCHES))
        resized = F.interpolate(grid, size=(mel_frames // PATCH, MEL_PATCHES), mode="bicubic", align_corners=False)
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


class BidirectionalGru(nn.Module):
    """Bidirectional GRU layers over time."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(CHANNELS, channels, layers, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 768) to (B, T, 2 C) with C channels in each direction."""
        return self.rnn(x)[0]


class AsitTower(AudioTower):
    """The ASiT tower: mono 32 kHz waveform to one embedding for each nominal 20 ms.

    Accepts `8 P + 1` frames with P from 1 to 62 (up to 497 frames, 9.94 s), or a multiple of 497 frames. A multiple is
    processed as independent windows of 497 frames, in training as in the service.
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
        """Loads a PretrainedSED checkpoint: the transformer, and the recurrent layer and strong head if their shapes match.

        Raises:
            ValueError: The checkpoint's transformer has another shape.
        """
        load_public_checkpoint(self, file)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Computes log-mel (B, M, 128) of a waveform (B, N); a window of 497 frames has 992 mel frames."""
        windows = waveform.unflatten(1, (-1, min(waveform.shape[1], self.window_frames * self.hop_samples)))
        log_mel = self.front_end(self.half_rate(windows.flatten(0, 1)))
        return log_mel.unflatten(0, (waveform.shape[0], -1)).flatten(1, 2)

    def features(self, spectrogram: Tensor) -> Tensor:
        """Computes features (B, T, 768) of log-mel (B, M, 128)."""
        windows = spectrogram.unflatten(1, (-1, min(spectrogram.shape[1], PATCH * LONGEST_TIME_PATCHES)))
        frames = self.strong_head(self.seq_model(self.model(windows.flatten(0, 1))))
        return frames.unflatten(0, (spectrogram.shape[0], -1)).flatten(1, 2)
