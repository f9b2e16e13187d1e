import pytest

from service.engine.caching.reporting import SERIES, CacheCounts


def test_every_series_starts_at_zero() -> None:
    counts = CacheCounts().read()
    assert {name: tuple(by_labels) for name, by_labels in counts.items()} == dict(SERIES)
    assert all(count == 0 for by_labels in counts.values() for count in by_labels.values())


def test_adding_counts_one_series_only_and_leaves_earlier_reports_alone() -> None:
    counts = CacheCounts()
    before = counts.read()
    counts.add("lookups", "redis", "hit")
    counts.add("bad_values")
    after = counts.read()
    assert (after["lookups"]["redis", "hit"], after["bad_values"][()]) == (1, 1)
    assert sum(count for by_labels in after.values() for count in by_labels.values()) == 2
    assert before["lookups"]["redis", "hit"] == 0


def test_a_series_that_is_not_declared_cannot_be_counted() -> None:
    with pytest.raises(KeyError):
        CacheCounts().add("lookups", "disk", "hit")
