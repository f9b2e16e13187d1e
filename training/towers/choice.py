"""Which audio towers there are, and which one a configuration asks for."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from training.towers.asit import AsitConfig, AsitTower
from training.towers.compact import CompactConfig, CompactTower
from training.towers.frame_mobilenet import FrameMobileNetConfig, FrameMobileNetTower
from training.towers.tower import AudioTower


def _kind(values: Any) -> Any:
    return values.get("kind", "compact") if isinstance(values, dict) else getattr(values, "kind", None)


AudioConfig = Annotated[
    Annotated[CompactConfig, Tag("compact")]
    | Annotated[AsitConfig, Tag("asit")]
    | Annotated[FrameMobileNetConfig, Tag("frame_mobilenet")],
    Discriminator(_kind),
]
"""The configuration of an audio tower, told apart by its `kind`."""


def tower_class(config: AudioConfig) -> type[AudioTower]:
    """The tower that a configuration is of: it knows the sample rate, the hop and the lengths."""
    match config:
        case CompactConfig():
            return CompactTower
        case AsitConfig():
            return AsitTower
        case FrameMobileNetConfig():
            return FrameMobileNetTower


def build_audio_tower(config: AudioConfig) -> AudioTower:
    """The tower of a configuration, with random weights."""
    return tower_class(config)(config)
