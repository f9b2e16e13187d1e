"""Counters of the batches and windows that the audio encoder has processed."""

from bisect import bisect_left
from dataclasses import dataclass, field

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper bounds of the classes in which batches are counted, in windows; a last class has no bound."""


@dataclass(slots=True)
class BatchCounts:
    """Totals since the batcher was started.

    Attributes:
        batches: Number of batches that were embedded.
        windows: Number of windows in those batches.
        seconds: Time that the audio encoder took for those batches, in seconds; a batch that had one of n threads counts with
            an n-th of its time.
        by_size: Number of those batches in each class of `BATCH_SIZES`.
        dropped: Number of windows that were skipped, because their call had been abandoned or was past its deadline.
        failed: Number of batches whose embedding raised an exception.
    """

    batches: int = 0
    windows: int = 0
    seconds: float = 0.0
    by_size: list[int] = field(default_factory=lambda: [0] * (len(BATCH_SIZES) + 1))
    dropped: int = 0
    failed: int = 0

    def add(self, n_windows: int, seconds: float) -> None:
        """Counts a batch that was embedded, with the time that it took in seconds."""
        self.batches += 1
        self.windows += n_windows
        self.seconds += seconds
        self.by_size[bisect_left(BATCH_SIZES, n_windows)] += 1
