from prometheus_client import CollectorRegistry

from service.api.library_metrics import LibraryMetrics


def test_all_series_exist_from_the_start_and_count() -> None:
    registry = CollectorRegistry()
    metrics = LibraryMetrics(registry.register)
    for exact in ("true", "false"):
        assert registry.get_sample_value("earmark_search_seconds_count", {"exact": exact}) == 0
    metrics.count_search(True, 0.3, 7)
    metrics.count_change("added")
    assert registry.get_sample_value("earmark_search_seconds_sum", {"exact": "true"}) == 0.3
    assert registry.get_sample_value("earmark_searched_recordings") == 7
    assert registry.get_sample_value("earmark_library_changes_total", {"kind": "added"}) == 1
    assert registry.get_sample_value("earmark_library_changes_total", {"kind": "removed"}) == 0
