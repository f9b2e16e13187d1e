"""Loads batches in a given order with worker processes, and logs the files that could not be decoded."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

from torch.utils.data import DataLoader, Dataset

from training.data.batch import CaptionedBatch

logger = logging.getLogger(__name__)
MAX_LISTED = 5
B = TypeVar("B", bound=CaptionedBatch)


def load_batches(batches: Dataset[B], numbers: Sequence[int], workers: int) -> Iterator[B]:
    """Yields the batches with the given numbers, in order; at the end, logs the files that could not be decoded.

    Args:
        batches: the batches by number.
        numbers: numbers of the batches to load.
        workers: number of worker processes; 0 loads in this process.
    """
    unreadable: Counter[str] = Counter()
    loader = DataLoader(
        batches, batch_size=None, sampler=numbers, num_workers=workers, prefetch_factor=4 if workers else None
    )
    try:
        for batch in loader:
            unreadable.update(batch.unreadable)
            yield batch
    finally:
        if unreadable:
            listed = ", ".join(sorted(unreadable)[:MAX_LISTED])
            logger.warning(
                "%d recordings could not be decoded (drawn %d times): %s", len(unreadable), unreadable.total(), listed
            )
