"""A pool of the newest scenes, from which a run draws every scene several times: a GPU learns faster than a CPU mixes.

Scenes that are drawn again with other augmentations are worth nearly as much as new ones (data echoing, arXiv 1907.05550).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from training import seeds
from training.data.batch import CaptionedBatch
from training.data.map_batch import SCORE_STEPS
from training.data.scene_batch import SceneBatch

PARTS_AT_START = 16
"""A run begins when the pool holds as many scenes as this many parts of a batch, or is full."""


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """A pool between the processes that mix scenes and the training."""

    scenes: int = 0
    """Number of scenes in the pool of each process, rounded down to a multiple of `fresh` (0.4 MB of the device's memory for each
    scene of 10 s). 0: every scene is trained on once."""
    fresh: int = 64
    """New scenes for each part of a batch. They replace the oldest, so with parts of n scenes, each is drawn n / fresh times on
    average."""
    roll_rate: float = 0.5
    """Probability that a drawn scene is rolled: its beginning is moved to its end, at a random time."""


class ScenePool:
    """The newest scenes, on the device of the training.

    Shapes: as in `SceneBatch`. Waveforms are kept in half precision, the teacher's scores in 8 bits.

    Args:
        pieces: number of pieces of equally many scenes that the pool holds.
        device: where the scenes are kept.
    """

    def __init__(self, pieces: int, device: torch.device) -> None:
        self.pieces, self.device = pieces, device
        self._kept: dict[str, Tensor] = {}
        self._filled = 0

    def add(self, piece: SceneBatch, number: int) -> None:
        """Adds a piece; it replaces the piece whose number is smaller by the number of pieces in the pool."""
        start, size = number % self.pieces * len(piece.waveform), len(piece.waveform)
        self._filled = min(number + 1, self.pieces) * size
        for name, values in _compact(piece).items():
            if name not in self._kept:
                self._kept[name] = values.new_zeros(self.pieces * size, *values.shape[1:], device=self.device)
            if name in ("event_active", "labels"):  # scenes differ in their numbers of events
                more = values.shape[1] - self._kept[name].shape[1]
                self._kept[name], values = _with_events(self._kept[name], more), _with_events(values, -more)
            self._kept[name][start : start + size] = values.to(self.device)

    def draw(self, size: int, roll_rate: float, generator: Generator) -> SceneBatch:
        """`size` random scenes of the pool as a batch without captions.

        Args:
            size: number of scenes, B. A scene may be drawn twice.
            roll_rate: probability that a scene is rolled, by a multiple of two frames.
            generator: a generator of the CPU.
        """
        rows = torch.randint(self._filled, (size,), generator=generator).to(self.device)
        scenes = {name: values[rows] for name, values in self._kept.items()}
        n_frames, n_pairs = scenes["event_active"].shape[2], scenes["teacher"].shape[1]
        pairs = torch.randint(n_pairs, (size,), generator=generator)
        pairs *= torch.rand(size, generator=generator) < roll_rate
        pairs = pairs.to(self.device)
        return SceneBatch(
            waveform=rolled(scenes["waveform"], pairs * (scenes["waveform"].shape[1] // n_pairs), 1).float(),
            valid_frames=torch.full((size,), n_frames, device=self.device),
            n_frames=n_frames,
            event_active=rolled(scenes["event_active"], pairs * 2, 2).float(),
            labels=scenes["labels"],
            ambience=scenes["ambience"],
            teacher=rolled(scenes["teacher"], pairs, 1).float() / SCORE_STEPS,
            teacher_unknown=scenes["teacher_unknown"],
        )


@dataclass(frozen=True, slots=True)
class PoolDraws:
    """The parts of batches that a process of a run draws from its pool. A part depends only on the recipe and its number.

    New scenes come in pieces. Each part adds one piece to the pool before it is drawn; the first part adds `ahead` more.

    Attributes:
        config: the pool.
        size: number of scenes in a part.
        seed: seed of the run.
        processes: number of processes, among which parts and pieces take turns.
    """

    config: PoolConfig
    size: int
    seed: int
    processes: int = 1

    @property
    def capacity(self) -> int:
        """Number of pieces in a full pool."""
        return self.config.scenes // self.config.fresh

    @property
    def ahead(self) -> int:
        """Number of pieces that the pool holds before the piece of the first part."""
        return min(self.capacity, -(-PARTS_AT_START * self.size // self.config.fresh)) - 1

    def pieces(self, parts: range) -> range:
        """Numbers of the pieces that the given parts of a process need, in the order in which they enter the pool.

        A run that begins at a later part first fills the pool again.
        """
        first = parts.start + (self.ahead - self.capacity + 1) * self.processes
        start = max(parts.start % self.processes, first)
        return range(start, parts.stop + self.ahead * self.processes, self.processes)

    def draw(
        self, parts: range, pieces: Iterator[CaptionedBatch], device: torch.device
    ) -> Iterator[tuple[int, SceneBatch]]:
        """Yields each part with its number; `pieces` are the scenes that `self.pieces(parts)` numbers, in that order."""
        pool = ScenePool(self.capacity, device)
        arriving, newest = zip(self.pieces(parts), pieces, strict=True), -1
        for part in parts:
            while newest < part + self.ahead * self.processes:
                newest, piece = next(arriving)
                assert isinstance(piece, SceneBatch)  # training.recipe allows a pool for scenes only
                pool.add(piece, newest // self.processes)
            generator = torch.Generator().manual_seed(seeds.pool_draws(self.seed, part))
            yield part, pool.draw(self.size, self.config.roll_rate, generator)


def rolled(values: Tensor, steps: Tensor, dim: int) -> Tensor:
    """Each row of (B, ...) with its first `steps` (B,) entries of dimension `dim` moved to the end.

    >>> rolled(torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([1, 0]), 1)
    tensor([[2, 3, 1],
            [4, 5, 6]])
    """
    length = values.shape[dim]
    along = torch.arange(length, device=values.device).view(-1, *[1] * (values.ndim - 1 - dim))
    index = (along + steps.view(-1, *[1] * (values.ndim - 1))) % length
    return values.gather(dim, index.expand(values.shape))


def _compact(piece: SceneBatch) -> dict[str, Tensor]:
    """What a pool keeps of scenes."""
    return {
        "waveform": piece.waveform.half(),
        "event_active": piece.event_active.bool(),
        "labels": piece.labels,
        "ambience": piece.ambience,
        "teacher": (piece.teacher * SCORE_STEPS).round().to(torch.uint8),
        "teacher_unknown": piece.teacher_unknown,
    }


def _with_events(values: Tensor, more: int) -> Tensor:
    """Values of events (B, E, ...) with `more` empty events, or unchanged if `more` is not positive."""
    return F.pad(values, (*[0] * 2 * (values.ndim - 2), 0, more)) if more > 0 else values
