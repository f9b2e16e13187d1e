"""Batches of excerpts, drawn from several data sets by weight.

Each batch is a function of the seed and the batch number only, so an interrupted run can be resumed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch.utils.data import Dataset

from service.core.frame_grid import FrameGrid
from training import seeds
from training.data.batch import CaptionedBatch, CaptionedFrames, GlobalCaption
from training.data.datasets import read_dataset
from training.data.decoding import UnreadableRecordingError, decode, recording_duration_s
from training.data.example import Example
from training.data.excerpt import Excerpt, ExcerptRecipe, draw_excerpt

MAX_DRAWS_PER_ITEM = 100
"""Average number of draws per item of a batch after which the batch fails.

More draws are needed only if almost no file can be decoded or almost no excerpt has a caption.
"""
REDRAWS = 20
"""Largest number of draws from a pool to obtain a recording that the batch does not contain yet."""
MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class WeightedDataset:
    """A data set in a recipe: its name, its folder, and its weight. Data sets are drawn in proportion to their weights."""

    name: str
    folder: Path
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ExamplePool:
    """Examples that are drawn with equal probability; pools are drawn in proportion to their weights.

    Raises:
        ValueError: The pool is empty, or the weight is not positive and finite.
    """

    examples: tuple[Example, ...] = field(repr=False)
    weight: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.examples or not 0 < self.weight < float("inf"):
            raise ValueError(
                f"{len(self.examples)} examples of {self.name!r} with weight {self.weight}; "
                "at least one example and a positive weight are accepted"
            )


def read_example_pools(datasets: Sequence[WeightedDataset], split: str) -> list[ExamplePool]:
    """Reads the examples of one split of each data set.

    Raises:
        ValueError: A data set is unknown, does not have the published format, or has no example in this split.
        FileNotFoundError: A table is missing.
    """
    pools: list[ExamplePool] = []
    for dataset in datasets:
        examples = tuple(example for example in read_dataset(dataset.name, dataset.folder) if example.split == split)
        pools.append(ExamplePool(examples, dataset.weight, f"{dataset.name} in {dataset.folder}, split {split}"))
    return pools


class ExcerptBatches(Dataset[CaptionedBatch]):
    """Batches of random excerpts. Batch number i is drawn with the seed (seed, i).

    Each item is drawn in three steps: a pool by weight, an example of the pool, and an excerpt of the example. The item
    is drawn again if its recording cannot be decoded, or if the excerpt has no caption and its recording has no
    annotated events. If the recording has annotated events, an excerpt without captions and events is kept: it is an
    example in which the events are known to be absent.

    Raises:
        ValueError: The length of excerpts is not a positive multiple of the hop.
    """

    def __init__(
        self,
        pools: Sequence[ExamplePool],
        recipe: ExcerptRecipe,
        grid: FrameGrid,
        *,
        batch: int,
        n_batches: int,
        seed: int,
    ) -> None:
        self.pools, self.recipe, self.grid = tuple(pools), recipe, grid
        self.batch, self.n_batches, self.seed = batch, n_batches, seed
        self.n_frames = grid.frames_for(recipe.length_s)
        if self.n_frames < 1 or grid.n_samples(self.n_frames) != grid.samples_for(recipe.length_s):
            raise ValueError(f"excerpts last {recipe.length_s} s; a multiple of {grid.hop_s} s is accepted")
        weights = np.array([pool.weight for pool in self.pools])
        self._probabilities = weights / weights.sum()

    def __len__(self) -> int:
        return self.n_batches

    def __getitem__(self, index: int) -> CaptionedBatch:
        """Draws batch number `index`.

        Raises:
            RuntimeError: Almost no draw gave an item.
        """
        rng = np.random.default_rng(seeds.numbered(self.seed, index))
        items: list[tuple[Excerpt, NDArray[np.float32]]] = []
        drawn_paths, unreadable = set[Path](), list[str]()
        for _ in range(self.batch * MAX_DRAWS_PER_ITEM):
            example = self._draw(rng, drawn_paths)
            drawn_paths.add(example.path)
            try:
                excerpt = draw_excerpt(rng, example, recording_duration_s(example.path), self.recipe)
                if excerpt.captions or example.events:
                    samples = decode(example.path, self.grid.sample_rate_hz, excerpt.onset_s, excerpt.length_s)
                    items.append((excerpt, samples))
            except UnreadableRecordingError as error:
                unreadable.append(str(error.path))
            if len(items) == self.batch:
                return self._collate(items, unreadable)
        raise RuntimeError(
            f"{self.batch * MAX_DRAWS_PER_ITEM} draws gave {len(items)} of {self.batch} recordings: "
            f"{len(unreadable)} could not be decoded ({', '.join(unreadable[:MAX_LISTED])}), "
            "the other excerpts have no caption"
        )

    def __iter__(self) -> Iterator[CaptionedBatch]:
        return (self[i] for i in range(len(self)))

    def _draw(self, rng: Generator, drawn_paths: set[Path]) -> Example:
        """Draws an example from a pool, if possible an example whose recording is not in `drawn_paths`."""
        examples = self.pools[rng.choice(len(self.pools), p=self._probabilities)].examples
        draws = (examples[int(rng.integers(len(examples)))] for _ in range(REDRAWS))
        example = next(draws)
        while example.path in drawn_paths and (another := next(draws, None)):
            example = another
        return example

    def _collate(
        self, items: Sequence[tuple[Excerpt, NDArray[np.float32]]], unreadable: Sequence[str]
    ) -> CaptionedBatch:
        """Pads the excerpts to one length, and converts the times of their events to frames."""
        n_samples = self.grid.n_samples(self.n_frames)
        waveform, valid_frames = np.zeros((len(items), n_samples), dtype=np.float32), list[int]()
        captions, events = list[GlobalCaption](), list[CaptionedFrames]()
        for b, (excerpt, samples) in enumerate(items):
            samples = samples[:n_samples]
            waveform[b, : len(samples)] = samples
            n_valid = self.grid.n_frames(len(samples))
            valid_frames.append(n_valid)
            captions += [GlobalCaption(b, text) for text in excerpt.captions]
            for event in excerpt.events:
                first, end = self.grid.frames_touched(event.onset_s, event.offset_s)
                events.append(CaptionedFrames(b, min(first, n_valid - 1), min(end, n_valid), event.caption))
        return CaptionedBatch(
            waveform=torch.from_numpy(waveform),
            valid_frames=torch.tensor(valid_frames),
            n_frames=self.n_frames,
            captions=tuple(captions),
            events=tuple(events),
            unreadable=tuple(unreadable),
        )
