import logging
from dataclasses import dataclass

import pytest
import torch
from torch.utils.data import Dataset

from training.data.batch import CaptionedBatch
from training.data.loading import load_batches


@dataclass
class NumberedBatches(Dataset[CaptionedBatch]):
    """Batch number i holds one recording of the constant i, and reports the files in `unreadable[i]`."""

    unreadable: tuple[tuple[str, ...], ...]

    def __getitem__(self, index: int) -> CaptionedBatch:
        return CaptionedBatch(torch.full((1, 4), float(index)), torch.tensor([1]), 1, unreadable=self.unreadable[index])


def numbers(batches: list[CaptionedBatch]) -> list[int]:
    return [int(batch.waveform[0, 0]) for batch in batches]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_of_the_range_come_in_order(workers: int) -> None:
    batches = NumberedBatches(((),) * 12)
    assert numbers(list(load_batches(batches, range(3, 11), workers))) == list(range(3, 11))


def test_the_log_counts_each_unreadable_file_once_and_lists_the_first_five(caplog: pytest.LogCaptureFixture) -> None:
    batches = NumberedBatches((("f", "b"), (), ("a", "b", "c"), ("e", "d")))
    with caplog.at_level(logging.WARNING):
        list(load_batches(batches, range(4), 0))
    assert caplog.messages == ["6 recordings could not be decoded (drawn 7 times): a, b, c, d, e"]


def test_the_log_stays_empty_if_all_files_are_readable(caplog: pytest.LogCaptureFixture) -> None:
    list(load_batches(NumberedBatches(((), ())), range(2), 0))
    assert not caplog.messages


def test_a_run_that_stops_early_logs_the_unreadable_files_so_far(caplog: pytest.LogCaptureFixture) -> None:
    loader = load_batches(NumberedBatches((("a",), ("b",))), range(2), 0)
    next(loader)
    loader.close()
    assert caplog.messages == ["1 recordings could not be decoded (drawn 1 times): a"]
