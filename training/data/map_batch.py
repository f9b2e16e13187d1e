"""A batch of scenes whose waveforms are replaced by the maps that a frozen trunk computed from them."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.data.batch import CaptionedFrames, GlobalCaption
from training.data.scene_batch import SceneBatch

MAP_RANGE = 8.0
"""Standardized values are stored in 8 bits between plus and minus this many deviations; larger values are clipped."""
SCORE_STEPS = 255
"""The teacher's scores are whole multiples of 1 / 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapBatch(SceneBatch):
    """B scenes as standardized maps. The waveform is empty, (B, 0).

    Attributes:
        maps: maps in 8 bits, (B, steps, channels) int8 each, see `encode_map`.
    """

    maps: tuple[Tensor, ...]

    def to(self, device: torch.device) -> "MapBatch":
        """Copies all tensors of the batch to a device."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        values |= {name: value.to(device, non_blocking=True) for name, value in tensors.items()}
        values["maps"] = tuple(steps.to(device, non_blocking=True) for steps in self.maps)
        return MapBatch(**values)

    def decoded_maps(self) -> list[Tensor]:
        """The standardized maps, float32."""
        return [decode_map(steps) for steps in self.maps]


def encode_map(values: Tensor) -> Tensor:
    """Standardized values in 8 bits."""
    return (values * (127 / MAP_RANGE)).round().clamp(-127, 127).to(torch.int8)


def decode_map(encoded: Tensor) -> Tensor:
    """Standardized values, float32, of values in 8 bits."""
    return encoded.float() * (MAP_RANGE / 127)


def map_batch(batch: SceneBatch, maps: list[Tensor]) -> MapBatch:
    """The batch with standardized maps in place of its waveforms."""
    values: dict[str, Any] = {field.name: getattr(batch, field.name) for field in fields(batch)}
    values["waveform"] = batch.waveform.new_zeros(len(batch.waveform), 0)  # a slice would keep all samples
    return MapBatch(**values, maps=tuple(encode_map(steps) for steps in maps))


def save_map_batch(batch: MapBatch, file: Path) -> None:
    """Writes a batch to a temporary file and renames it, so that a killed process leaves complete files only."""
    values: dict[str, Any] = {field.name: getattr(batch, field.name) for field in fields(batch)}
    scores = (batch.teacher * SCORE_STEPS).round().to(torch.uint8)
    places = torch.nonzero(scores.flatten()).flatten()  # most of the scores are 0
    values["teacher"] = (tuple(scores.shape), places.to(torch.int32), scores.flatten()[places])
    values["event_active"] = batch.event_active.to(torch.bool)
    values["captions"] = [tuple(caption) for caption in batch.captions]
    values["events"] = [tuple(event) for event in batch.events]
    partial = file.with_suffix(".partial")
    torch.save(values, partial)
    partial.replace(file)


def load_map_batch(file: Path) -> MapBatch:
    """Reads a batch that `save_map_batch` wrote."""
    values = torch.load(file, weights_only=True)
    shape, places, scores = values["teacher"]
    teacher = torch.zeros(shape).flatten()
    teacher[places.long()] = scores.float() / SCORE_STEPS
    values["teacher"] = teacher.reshape(shape)
    values["event_active"] = values["event_active"].float()
    values["captions"] = tuple(GlobalCaption(*caption) for caption in values["captions"])
    values["events"] = tuple(CaptionedFrames(*event) for event in values["events"])
    return MapBatch(**values)
