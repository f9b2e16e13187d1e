"""Counters of the batches and windows that the audio encoder has processed."""

from dataclasses import dataclass


@dataclass(slots=True)
class BatchCounts:
    """Totals since the batcher was started.

    Attributes:
        batches: Number of batches that were embedded.
        windows: Number of windows in those batches.
        dropped: Number of windows that were skipped, because their call had been abandoned or was past its deadline.
        failed: Number of batches whose embedding raised an exception.
    """

    batches: int = 0
    windows: int = 0
    dropped: int = 0
    failed: int = 0
