from dataclasses import asdict

from service.engine.batch_counts import BatchCounts


def test_all_counts_start_at_zero() -> None:
    assert asdict(BatchCounts()) == {"batches": 0, "windows": 0, "dropped": 0, "failed": 0}
