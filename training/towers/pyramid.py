"""The pyramid tower: maps of a MobileNetV3 at several time resolutions, then a convolutional head over time.

The trunk is MobileNetV3 (arXiv 1905.02244) as EfficientAT (MIT licence, arXiv 2211.04772) trained it on AudioSet. The names of
its weights are those of the public checkpoints.

| property | value |
|---|---|
| input | mono waveform at 16 kHz |
| hop | 40 ms: 4 mel frames of 10 ms |
| window | 256 frames, 10.24 s; neighbouring windows share 64 frames, 2.56 s |
| receptive context of a frame | about 2 s on either side in the head, and what squeeze-and-excitation averages in the trunk |

*The pyramid.* The head reads the trunk's activations after the layers in `TAPS`, with steps of 40 ms to 320 ms. Each map is
standardized per channel with fixed statistics of the training data, because the unscaled values are small compared with the
biases of a linear layer. Each map passes through a linear layer and is interpolated linearly to the frames; the results are
added.

*Squeeze-and-excitation.* EfficientAT averages over the whole clip. Here the average at each step covers only `squeeze_s` seconds
around the step, and leaves out mel frames of digital silence, such as the padding of a short clip. The embeddings of a frame
therefore depend little on where its window begins.

*Batch norms.* They always use the statistics of AudioSet, in training too.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.compact import TemporalBlock
from training.towers.frame_mobilenet import (
    BLOCKS,
    LAST_EXPANSION,
    STEM_CHANNELS,
    BlockShape,
    InvertedResidual,
    SqueezeExcitation,
    channels_at,
    convolution,
)
from training.towers.front_end import HOP_SAMPLES, SAMPLE_RATE_HZ, WideLogMel
from training.towers.tower import AudioTower, Lengths

MEL_FRAMES_PER_FRAME = 4
STRIDED_BLOCKS = (1, 3, 6, 12)
"""Index of each block that halves time and frequency. (The blocks of `frame_mobilenet` halve them elsewhere.)"""


@dataclass(frozen=True, slots=True)
class Tap:
    """A map that the head reads.

    Attributes:
        layer: index of the trunk's layer that computes the map; layer 0 is the stem, and layer i is block i - 1.
        stride: mel frames in a step of the map.
        mel: mel bands of the map, of which the head reads `kept`.
        kept: mel bands after averaging neighbouring bands.
    """

    layer: int
    stride: int
    mel: int
    kept: int


TRUNK_LAYERS = len(BLOCKS) + 2
TAPS = (Tap(3, 4, 32, 16), Tap(6, 8, 16, 16), Tap(12, 16, 8, 8), Tap(15, 32, 4, 4), Tap(16, 32, 4, 1))
STEP_FRAMES = max(tap.stride for tap in TAPS) // MEL_FRAMES_PER_FRAME


@dataclass(frozen=True, slots=True)
class PyramidConfig:
    """Configuration of the pyramid tower.

    Attributes:
        kind: "pyramid".
        width: factor of the trunk's channels.
        squeeze_s: duration over which squeeze-and-excitation averages, in seconds. 0: the whole input.
        frozen_layers: number of the trunk's layers, from the first, that are not trained. 17: all layers.
        dimension: number of channels of the shared space, D.
        head_channels: channels of the head.
        head_blocks: number of residual blocks of the head. Block i has dilation 3 ** i.
        head_kernel: kernel size of the head's depthwise convolutions, in frames.
        dropout: dropout probability in the head.
        pretrained: safetensors file of an EfficientAT model of the same width from which the tower is trained, or None for
            random weights.
    """

    kind: Literal["pyramid"] = "pyramid"
    width: float = 0.4
    squeeze_s: float = 5.12
    frozen_layers: int = TRUNK_LAYERS
    dimension: int = 256
    head_channels: int = 384
    head_blocks: int = 3
    head_kernel: int = 9
    dropout: float = 0.0
    pretrained: Path | None = None


class LocalSqueezeExcitation(SqueezeExcitation):
    """Squeeze-and-excitation whose factors change over time: the mean covers the steps around each step."""

    def local_forward(self, x: Tensor, valid: Tensor, reach: int) -> Tensor:
        """Scales each channel at each step.

        Args:
            x: activations, (B, C, mel, steps).
            valid: 1 for steps that count in the mean, 0 for the others, (B, 1, steps).
            reach: number of steps on either side over which is averaged; 0 for the whole input.

        Returns:
            The scaled activations, of the shape of `x`.
        """
        mean = local_mean(x.mean(dim=2), valid, reach).transpose(1, 2)  # (B, steps, C)
        scale = torch.sigmoid(self.fc2(F.relu(self.fc1(mean)))).transpose(1, 2)  # (B, C, steps)
        return x * scale[:, :, None]


def local_mean(values: Tensor, valid: Tensor, reach: int) -> Tensor:
    """The mean over the valid steps within `reach` steps of each step; 0 where no step is valid.

    Args:
        values: (B, C, steps).
        valid: 1 or 0 for each step, (B, 1, steps).
        reach: number of steps on either side; 0 for all steps of the input.

    Returns:
        Means, (B, C, steps), or (B, C, 1) if `reach` is 0.
    """
    if reach == 0:
        return (values * valid).sum(dim=2, keepdim=True) / valid.sum(dim=2, keepdim=True).clamp(min=1.0)
    width = 2 * reach + 1
    total, count = (F.avg_pool1d(v, width, stride=1, padding=reach) for v in (values * valid, valid))
    return total / count.clamp(min=0.5 / width)  # the smallest count above 0 is 1 / width


class LocalResidual(InvertedResidual):
    """An inverted residual block of MobileNetV3 with local squeeze-and-excitation."""

    def __init__(self, channels_in: int, shape: BlockShape, width: float) -> None:
        super().__init__(channels_in, shape, width, LocalSqueezeExcitation)
        self.stride = shape.stride[1]

    def local_forward(self, x: Tensor, valid: Tensor, reach: int) -> Tensor:
        """(B, C, mel, steps) to (B, C', mel / stride, steps / stride); `valid` and `reach` are those of the output."""
        y = x
        for layer in self.block:
            squeezes = getattr(layer, "conc_se_layers", None)
            y = layer(y) if squeezes is None else squeezes[0].local_forward(y, valid, reach)
        return x + y if self.residual else y


class MobileNetTrunk(nn.Module):
    """MobileNetV3-Large with its usual strides: the stem and four blocks halve time and frequency."""

    def __init__(self, width: float, squeeze_s: float) -> None:
        super().__init__()
        self.squeeze_s = squeeze_s
        shapes = [replace(s, stride=(2, 2) if i in STRIDED_BLOCKS else (1, 1)) for i, s in enumerate(BLOCKS)]
        channels = [channels_at(width, STEM_CHANNELS), *(channels_at(width, shape.out) for shape in shapes)]
        last = LAST_EXPANSION * channels[-1]
        self.features = nn.ModuleList(
            [
                convolution(1, channels[0], 3, nn.Hardswish, (2, 2)),
                *(LocalResidual(before, shape, width) for before, shape in zip(channels, shapes, strict=False)),
                convolution(channels[-1], last, 1, nn.Hardswish),
            ]
        )
        self.channels: tuple[int, ...] = (*channels, last)
        """Output channels of each layer."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        """Log-mel (B, M, 128) to the maps of `TAPS`, (B, M / stride, channels * kept mel bands) each; M is a multiple of 32."""
        valid = (log_mel.amax(dim=2) > WideLogMel.SILENCE).to(log_mel.dtype)[:, None, ::2]  # (B, 1, M / 2)
        x, stride, maps = log_mel.transpose(1, 2)[:, None], 2, dict[int, Tensor]()
        for number, layer in enumerate(self.features):
            if isinstance(layer, LocalResidual):
                stride *= layer.stride
                valid = valid[:, :, :: layer.stride]
                x = layer.local_forward(x, valid, self._reach(stride))
            else:
                x = layer(x)
            maps[number] = x
        return [in_steps(maps[tap.layer], tap) for tap in TAPS]

    def _reach(self, stride: int) -> int:
        return round(self.squeeze_s * SAMPLE_RATE_HZ / HOP_SAMPLES / stride / 2)


def in_steps(values: Tensor, tap: Tap) -> Tensor:
    """A map (B, C, mel, steps) as vectors for each step, with averaged mel bands: (B, steps, C * kept)."""
    bands = values.unflatten(2, (tap.kept, -1)).mean(dim=3) if tap.kept != tap.mel else values
    return bands.flatten(1, 2).transpose(1, 2)


class Standardization(nn.Module):
    """Subtracts a fixed mean from each channel and divides by a fixed deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same shape."""
        return (x - self.mean) / self.deviation


def interpolate(steps: Tensor, factor: int) -> Tensor:
    """Linear interpolation of a map's steps at the centres of frames.

    A step is centred on its first mel frame, as in every strided convolution with symmetric padding, and a mel frame on its
    first sample. The centre of frame p of the `factor` frames of a step is therefore (p + 1/2) / `factor` steps after the
    step. The last step is repeated at the end.

    Args:
        steps: (B, J, C).
        factor: number of frames in a step.

    Returns:
        (B, J * factor, C).
    """
    following = torch.cat([steps[:, 1:], steps[:, -1:]], dim=1)
    weight = ((torch.arange(factor, device=steps.device) + 0.5) / factor).to(steps.dtype)[:, None]  # (factor, 1)
    frames = steps[:, :, None] + weight * (following - steps)[:, :, None]  # (B, J, factor, C)
    return frames.flatten(1, 2)


class PyramidTower(AudioTower):
    """The pyramid tower: mono 16 kHz waveform to one embedding for each 40 ms. Accepts multiples of 0.32 s (8 frames)."""

    sample_rate_hz = SAMPLE_RATE_HZ
    hop_samples = MEL_FRAMES_PER_FRAME * HOP_SAMPLES
    lengths = Lengths(step_frames=STEP_FRAMES)
    window_frames = 32 * STEP_FRAMES
    overlap_frames = 8 * STEP_FRAMES
    pretrained_prefix = "trunk."
    licence = "MIT: EfficientAT, the start of the audio tower (Florian Schmid)"

    def __init__(self, config: PyramidConfig) -> None:
        super().__init__()
        self.config = config
        self.front_end = WideLogMel()
        self.trunk = MobileNetTrunk(config.width, config.squeeze_s)
        channels = [self.trunk.channels[tap.layer] * tap.kept for tap in TAPS]
        width = config.head_channels
        self.standardize = nn.ModuleList(Standardization(c) for c in channels)
        self.from_maps = nn.ModuleList(nn.Linear(c, width, bias=i == 0) for i, c in enumerate(channels))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(
            *(TemporalBlock(width, config.head_kernel, 3**i, config.dropout) for i in range(config.head_blocks))
        )
        self.output = nn.Linear(width, config.dimension)
        for layer in self.trunk.features[: config.frozen_layers]:
            layer.requires_grad_(requires_grad=False)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Sets the mode of all modules but the batch norms, which always use their stored statistics."""
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    @property
    def standardizations(self) -> list[Standardization]:
        """The statistics of each map of `TAPS`."""
        return [part for part in self.standardize if isinstance(part, Standardization)]

    def load_pretrained(self, file: Path) -> None:
        """Loads the convolutions of an EfficientAT model from a safetensors file, without its classifier.

        Raises:
            ValueError: The file holds a model of another width.
        """
        weights = {name: weight for name, weight in load_file(file).items() if name.startswith("features.")}
        try:
            missing, unexpected = self.trunk.load_state_dict(weights, strict=False)
        except RuntimeError as error:
            raise ValueError(f"{file} does not fit width {self.config.width}: {error}") from error
        lost = [name for name in missing if not name.endswith("num_batches_tracked")]
        if lost or unexpected:
            raise ValueError(
                f"{file} lacks {', '.join(lost) or 'nothing'} and has unknown {', '.join(unexpected) or 'nothing'}"
            )

    def named_weights(self) -> dict[str, Tensor]:
        """The linear layers, the head and the statistics.

        The exporter merges each batch norm into the convolution before it, and keeps the names of the convolutions. It stores
        equal weights, such as those of an untrained head, only once; they are left out.
        """
        weights = dict(self.named_parameters()) | {
            n: b for n, b in self.named_buffers() if n.startswith("standardize.")
        }
        kept = {n: w for n, w in weights.items() if not n.startswith("trunk.") or ".fc" in n}
        values = [w.detach().cpu().numpy().tobytes() for w in kept.values()]
        return {
            name: weight for (name, weight), value in zip(kept.items(), values, strict=True) if values.count(value) == 1
        }

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Computes log-mel (B, N / 160, 128) of a waveform (B, N)."""
        return self.front_end(waveform)

    def maps(self, spectrogram: Tensor) -> list[Tensor]:
        """Computes the standardized maps of `TAPS`, (B, M / stride, C) each, of log-mel (B, M, 128)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.frozen_layers < len(self.trunk.features)):
            maps = self.trunk(spectrogram)
        return [standardize(values) for standardize, values in zip(self.standardize, maps, strict=True)]

    def features_of_maps(self, maps: list[Tensor]) -> Tensor:
        """Computes features (B, T, C) of standardized maps."""
        parts = [
            interpolate(linear(values), tap.stride // MEL_FRAMES_PER_FRAME)
            for linear, values, tap in zip(self.from_maps, maps, TAPS, strict=True)
        ]
        return self.head(self.norm(torch.stack(parts).sum(dim=0)))

    def features(self, spectrogram: Tensor) -> Tensor:
        """Computes features (B, T, C) of log-mel (B, 4 T, 128); T is a multiple of 8."""
        return self.features_of_maps(self.maps(spectrogram))
