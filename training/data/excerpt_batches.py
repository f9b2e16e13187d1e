"""Batches drawn from several data sets at once, each a pure function of the seed and its number, so that a run can go on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch.utils.data import Dataset

from service.core.frame_grid import FrameGrid
from training.data.batch import CaptionedBatch, CaptionedFrames, GlobalCaption
from training.data.datasets import read_dataset
from training.data.decoding import UnreadableRecordingError, decode, recording_duration_s
from training.data.example import Example
from training.data.excerpt import Excerpt, ExcerptRecipe, draw_excerpt

DRAWS_PER_RECORDING = 100
"""Draws in vain, on average, before a batch is given up: then hardly a file can be read, or hardly one has a caption."""
REDRAWS = 20
FIRST_FEW = 5


@dataclass(frozen=True, slots=True)
class WeightedDataset:
    """A data set in a recipe: its name, its folder, and how often it is drawn, in proportion to `weight`."""

    name: str
    folder: Path
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ExamplePool:
    """Examples that are drawn equally often, together in proportion to `weight`.

    Raises:
        ValueError: there are none, or the weight is not positive.
    """

    examples: tuple[Example, ...] = field(repr=False)
    weight: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.examples or not 0 < self.weight < float("inf"):
            raise ValueError(f"{len(self.examples)} examples of {self.name!r} with the weight {self.weight}")


def read_example_pools(shares: Sequence[WeightedDataset], split: str) -> list[ExamplePool]:
    """The examples of one split of some data sets.

    Raises:
        ValueError: a data set is not known, not as published, or has no such split.
        FileNotFoundError: a table is not there.
    """
    parts: list[ExamplePool] = []
    for share in shares:
        examples = tuple(example for example in read_dataset(share.name, share.folder) if example.split == split)
        parts.append(ExamplePool(examples, share.weight, f"{share.name} in {share.folder}, split {split}"))
    return parts


class ExcerptBatches(Dataset[CaptionedBatch]):
    """Batch number i is drawn with the seed (seed, i): a data set by weight, one of its examples, an excerpt of it.

    A recording that cannot be decoded, and an excerpt of which nothing is known, is replaced by another draw. Of a
    recording with annotated events something is known everywhere: what is not heard.
    """

    def __init__(
        self,
        parts: Sequence[ExamplePool],
        recipe: ExcerptRecipe,
        grid: FrameGrid,
        *,
        batch: int,
        n_batches: int,
        seed: int,
    ) -> None:
        self.parts, self.recipe, self.grid = tuple(parts), recipe, grid
        self.batch, self.n_batches, self.seed = batch, n_batches, seed
        self.n_frames = grid.frames_for(recipe.length_s)
        if self.n_frames < 1 or grid.n_samples(self.n_frames) != grid.samples_for(recipe.length_s):
            raise ValueError(f"excerpts last {recipe.length_s} s; whole frames of {grid.hop_s} s are accepted")
        weights = np.array([part.weight for part in self.parts])
        self._shares = weights / weights.sum()

    def __len__(self) -> int:
        return self.n_batches

    def __getitem__(self, index: int) -> CaptionedBatch:
        """Batch number `index` of the run.

        Raises:
            RuntimeError: nearly all draws were in vain.
        """
        rng = np.random.default_rng([self.seed, index])
        drawn: list[tuple[Excerpt, NDArray[np.float32]]] = []
        taken, unreadable = set[Path](), list[str]()
        for _ in range(self.batch * DRAWS_PER_RECORDING):
            example = self._draw(rng, taken)
            taken.add(example.path)
            try:
                excerpt = draw_excerpt(rng, example, recording_duration_s(example.path), self.recipe)
                if excerpt.captions or example.events:
                    samples = decode(example.path, self.grid.sample_rate_hz, excerpt.onset_s, excerpt.length_s)
                    drawn.append((excerpt, samples))
            except UnreadableRecordingError as error:
                unreadable.append(str(error.path))
            if len(drawn) == self.batch:
                return self._collate(drawn, unreadable)
        raise RuntimeError(
            f"{self.batch * DRAWS_PER_RECORDING} draws gave {len(drawn)} of {self.batch} recordings: "
            f"{len(unreadable)} could not be decoded ({', '.join(unreadable[:FIRST_FEW])}), the others say nothing"
        )

    def __iter__(self) -> Iterator[CaptionedBatch]:
        return (self[i] for i in range(len(self)))

    def _draw(self, rng: Generator, taken: set[Path]) -> Example:
        """An example of a recording that the batch does not hold yet, if there is another in its data set."""
        examples = self.parts[rng.choice(len(self.parts), p=self._shares)].examples
        drawn = (examples[int(rng.integers(len(examples)))] for _ in range(REDRAWS))
        example = next(drawn)
        while example.path in taken and (another := next(drawn, None)):
            example = another
        return example

    def _collate(
        self, drawn: Sequence[tuple[Excerpt, NDArray[np.float32]]], unreadable: Sequence[str]
    ) -> CaptionedBatch:
        n_samples = self.grid.n_samples(self.n_frames)
        waveform, valid = np.zeros((len(drawn), n_samples), dtype=np.float32), list[int]()
        captions, events = list[GlobalCaption](), list[CaptionedFrames]()
        for b, (excerpt, samples) in enumerate(drawn):
            samples = samples[:n_samples]
            waveform[b, : len(samples)] = samples
            valid.append(self.grid.n_frames(len(samples)))
            captions += [GlobalCaption(b, text) for text in excerpt.captions]
            for event in excerpt.events:
                first, end = self.grid.frames_touched(event.onset_s, event.offset_s)
                events.append(CaptionedFrames(b, min(first, valid[b] - 1), min(end, valid[b]), event.caption))
        return CaptionedBatch(
            torch.from_numpy(waveform),
            torch.tensor(valid),
            self.n_frames,
            tuple(captions),
            tuple(events),
            tuple(unreadable),
        )
