"""Captions of cached scenes that are drawn anew: one caption for each label of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import seeds
from training.data.batch import CaptionedFrames, GlobalCaption
from training.data.map_batch import MapBatch
from training.synthesis.batches import joined
from training.synthesis.truth import runs

AMBIENCE_EVENT = 0
"""Index of the event that a captioned ambience is, among the events of its scene."""


@dataclass(frozen=True, slots=True)
class Recaptioner:
    """Draws the captions of cached batches anew.

    Attributes:
        captions_of: the captions of each label.
        ambience_rate: probability that a scene's ambience is captioned.
        seed: seed of the run.
    """

    captions_of: Sequence[Sequence[str]]
    ambience_rate: float
    seed: int

    def draw(self, batch: MapBatch, index: int, number: int) -> MapBatch:
        """A cached batch with new captions: one for each label.

        Args:
            batch: the cached batch.
            index: index of the batch in the run. Another index gives other captions.
            number: number of the batch in the cache. It decides which ambiences are captioned.
        """
        of_labels = np.random.default_rng(seeds.cached_captions(self.seed, index)).random(len(self.captions_of))
        texts = [
            captions[int(draw * len(captions))] for draw, captions in zip(of_labels, self.captions_of, strict=True)
        ]
        return recaptioned(without_ambiences(batch, self.uncaptioned(len(batch.labels), number)), texts)

    def uncaptioned(self, n_scenes: int, number: int) -> NDArray[np.bool_]:
        """The scenes of cached batch `number` whose ambience is not captioned, (B,)."""
        draws = np.random.default_rng(seeds.cached_ambiences(self.seed, number)).random(n_scenes)
        return draws >= self.ambience_rate


def without_ambiences(batch: MapBatch, removed: NDArray[np.bool_]) -> MapBatch:
    """The batch without the events of some scenes' ambiences; their captions stay until `recaptioned`.

    Args:
        batch: B scenes in which every ambience that is an event is the first event.
        removed: the scenes whose ambience is no event in the result, (B,).
    """
    is_event = (batch.labels[:, AMBIENCE_EVENT] == batch.ambience) & torch.from_numpy(removed)
    active = batch.event_active.clone()
    active[is_event, AMBIENCE_EVENT] = 0.0
    return replace(batch, event_active=active)


def recaptioned(batch: MapBatch, texts: Sequence[str]) -> MapBatch:
    """The batch with one text as the caption of all events of a label; texts are in the order of the label indices.

    The caption of a scene joins the captions of its events. A scene without active events has none.
    """
    events = [
        CaptionedFrames(scene, first, end, texts[int(batch.labels[scene, event])])
        for scene, of_scene in enumerate(batch.event_active)
        for event, active in enumerate(of_scene)
        for first, end in _runs(active)
    ]
    by_scene: dict[int, list[str]] = {}
    for event in events:
        by_scene.setdefault(event.recording, []).append(event.text)
    captions = tuple(GlobalCaption(scene, joined(of_scene)) for scene, of_scene in by_scene.items())
    return replace(batch, captions=captions, events=tuple(events))


def _runs(active: Tensor) -> list[tuple[int, int]]:
    return runs(active.numpy() > 0)
