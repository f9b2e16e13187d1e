import pytest

from service.engine.options import EngineOptions


@pytest.mark.parametrize("changes", [{"max_clip_s": 0}, {"batch_windows": 0}, {"cache_bytes": -1}])
def test_impossible_options_are_refused(changes: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        EngineOptions(**changes)


@pytest.mark.parametrize("name", ["cache_bytes", "cached_queries", "intra_op_threads", "gpu_memory_bytes"])
def test_zero_is_accepted_where_it_disables_a_limit_or_a_cache(name: str) -> None:
    assert getattr(EngineOptions(**{name: 0}), name) == 0
