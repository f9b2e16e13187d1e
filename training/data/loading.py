"""Batches in a given order, made in worker processes; what could not be decoded is told at the end."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from torch.utils.data import DataLoader, Dataset

from training.data.batch import CaptionedBatch

logger = logging.getLogger(__name__)
FIRST_FEW = 5
B = TypeVar("B", bound=CaptionedBatch)


def load_batches(batches: Dataset[B], numbers: range, workers: int) -> Iterator[B]:
    """The batches of these numbers in order, made in `workers` processes (0: in this one)."""
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
            few = ", ".join(sorted(unreadable)[:FIRST_FEW])
            logger.warning("%d recordings could not be decoded, %d draws: %s", len(unreadable), unreadable.total(), few)
