import pytest

from service.engine.kept_core import KeptCore


def test_a_core_is_kept_free_for_a_while_after_a_short_clip() -> None:
    times_s = [100.0]
    core = KeptCore(4, keep_s=2, now_s=lambda: times_s[-1])
    assert core.left_s is None
    assert not core.is_kept(3)
    core.short_clip_came()
    assert core.left_s == 2
    assert [core.is_kept(n_running) for n_running in range(5)] == [False, False, False, True, True]
    times_s.append(102.0)
    assert core.left_s is None
    assert not core.is_kept(3)


@pytest.mark.parametrize(("n_cores", "keep_s"), [(1, 3600), (4, 0)])
def test_no_core_is_kept_free_if_there_is_only_one_or_no_time_is_given(n_cores: int, keep_s: float) -> None:
    core = KeptCore(n_cores, keep_s)
    core.short_clip_came()
    assert core.left_s is None
    assert not core.is_kept(n_cores)
