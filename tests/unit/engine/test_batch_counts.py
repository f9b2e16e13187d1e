from dataclasses import asdict

from service.engine.batch_counts import BatchCounts


def test_all_counts_start_at_zero() -> None:
    counts = asdict(BatchCounts())
    assert counts.pop("by_size") == [0] * 10
    assert counts == {"batches": 0, "windows": 0, "seconds": 0, "dropped": 0, "failed": 0}


def test_a_batch_is_counted_in_the_class_of_its_size() -> None:
    counts = BatchCounts()
    for n_windows in (1, 2, 3, 4, 256, 257, 1024):
        counts.add(n_windows, seconds=0.5)
    assert counts.by_size == [1, 1, 2, 0, 0, 0, 0, 0, 1, 2]
    assert (counts.batches, counts.windows, counts.seconds) == (7, 1547, 3.5)
