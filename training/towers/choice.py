"""The audio towers by the `kind` of their configuration."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from training.towers.asit import AsitConfig, AsitTower
from training.towers.compact import CompactConfig, CompactTower
from training.towers.frame_mobilenet import FrameMobileNetConfig, FrameMobileNetTower
from training.towers.pyramid import PyramidConfig, PyramidTower
from training.towers.tower import AudioTower


def _kind(values: Any) -> Any:
    return values.get("kind", "compact") if isinstance(values, dict) else getattr(values, "kind", None)


AudioConfig = Annotated[
    Annotated[CompactConfig, Tag("compact")]
    | Annotated[AsitConfig, Tag("asit")]
    | Annotated[FrameMobileNetConfig, Tag("frame_mobilenet")]
    | Annotated[PyramidConfig, Tag("pyramid")],
    Discriminator(_kind),
]
"""Configuration of an audio tower. The field `kind` decides the type; without it the tower is compact."""


def tower_class(config: AudioConfig) -> type[AudioTower]:
    """Returns the class of the tower, which holds the sample rate, the hop and the accepted lengths."""
    match config:
        case CompactConfig():
            return CompactTower
        case AsitConfig():
            return AsitTower
        case FrameMobileNetConfig():
            return FrameMobileNetTower
        case PyramidConfig():
            return PyramidTower


def build_audio_tower(config: AudioConfig) -> AudioTower:
    """Builds the tower of a configuration, with random weights."""
    return tower_class(config)(config)
