from dataclasses import fields, replace

import pytest
import torch

from training.data.batch import CaptionedFrames, GlobalCaption
from training.data.scene_batch import SceneBatch


def make_batch(events: tuple[CaptionedFrames, ...] = (CaptionedFrames(0, 1, 3, "a dog"),)) -> SceneBatch:
    return SceneBatch(
        waveform=torch.zeros(1, 40),
        valid_frames=torch.tensor([4]),
        n_frames=4,
        captions=(GlobalCaption(0, "a dog"),),
        events=events,
        event_active=torch.tensor([[[0.0, 1.0, 1.0, 0.0]]]),
        labels=torch.tensor([[2]]),
        ambience=torch.tensor([-1]),
        teacher=torch.zeros(1, 2, 5),
        teacher_unknown=torch.zeros(1, 5, dtype=torch.bool),
    )


class MovableTensor(torch.Tensor):
    """A tensor that remembers the device that it is moved to, and stays where it is."""

    device_name = ""

    def to(self, device: torch.device, non_blocking: bool = False) -> "MovableTensor":  # type: ignore[override]
        moved = self.clone().as_subclass(MovableTensor)
        moved.device_name = device.type
        return moved


def test_every_tensor_moves_to_the_device_and_captions_stay() -> None:
    batch = make_batch()
    names = [f.name for f in fields(batch) if isinstance(getattr(batch, f.name), torch.Tensor)]
    movable = replace(batch, **{name: getattr(batch, name).as_subclass(MovableTensor) for name in names})
    moved = movable.to(torch.device("cuda"))
    assert set(names) == {
        "waveform", "valid_frames", "event_active", "labels", "ambience", "teacher", "teacher_unknown",
    }  # fmt: skip
    assert {getattr(moved, name).device_name for name in names} == {"cuda"}
    assert isinstance(moved, SceneBatch)
    assert (moved.n_frames, moved.captions, moved.events) == (batch.n_frames, batch.captions, batch.events)


def test_a_scene_batch_has_the_invariants_of_a_captioned_batch() -> None:
    with pytest.raises(ValueError, match="not within the 4 valid frames"):
        make_batch(events=(CaptionedFrames(0, 3, 5, "a dog"),))
