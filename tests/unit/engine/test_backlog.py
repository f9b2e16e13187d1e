import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.backlog import Backlog, Queued, WindowTime
from service.engine.call import Call


def test_windows_count_from_their_announcement_until_they_are_submitted_or_forgotten() -> None:
    backlog, call, other = Backlog(), Call(), Call()
    backlog.expect(call, 3)
    backlog.expect(other, 20)
    assert backlog.n_expected == 23
    for _ in range(5):  # two more than expected
        backlog.submitted(call)
    assert backlog.n_expected == 20
    backlog.expect(other, 10)
    assert backlog.n_expected == 10
    backlog.forget(other)
    backlog.forget(other)
    backlog.submitted(other)
    assert backlog.n_expected == 0


def test_a_short_clip_waits_for_short_clips_and_for_a_share_of_the_long_ones() -> None:
    backlog, long, short = Backlog(), Call(), Call()
    backlog.expect(long, 1000)
    queued = [Queued(long, 9)]
    assert backlog.ahead_of(1, queued, batch_windows=4) == 0  # the next batch takes it
    backlog.expect(short, 8)
    assert backlog.ahead_of(1, queued, batch_windows=4) == 8 + 8 / 4
    assert backlog.ahead_of(1, [], batch_windows=4) == 8  # the long clip has not begun
    assert backlog.ahead_of(8, [*queued, Queued(short, 2)], batch_windows=4) == 10 + 10 / 4


def test_a_short_clip_waits_at_most_for_all_windows_of_long_clips() -> None:
    backlog, long = Backlog(), Call()
    backlog.expect(long, 9)
    for _ in range(9):
        backlog.submitted(long)
    backlog.expect(Call(), 8)
    assert backlog.ahead_of(1, [Queued(long, 1)], batch_windows=1) == 9


def test_a_long_clip_waits_for_everything() -> None:
    backlog, long, unknown = Backlog(), Call(), Call()
    backlog.expect(long, 1000)
    backlog.expect(Call(), 8)
    assert backlog.ahead_of(9, [Queued(long, 5), Queued(unknown, 2)], batch_windows=4) == 1000 + 8 + 5 + 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=60))
def test_the_count_is_the_sum_over_calls(steps: list[tuple[int, int]]) -> None:
    backlog, calls = Backlog(), [Call() for _ in range(10)]
    expected = [0] * 10
    for index, n_windows in steps:
        if n_windows % 3 == 0:
            backlog.submitted(calls[index])
            expected[index] = max(0, expected[index] - 1)
        else:
            backlog.expect(calls[index], n_windows)
            expected[index] = n_windows
    assert backlog.n_expected == sum(expected)
    for call in calls:
        backlog.forget(call)
    assert backlog.n_expected == 0


def test_the_first_measurement_decides_and_later_ones_move_the_average() -> None:
    window_time = WindowTime(batch_windows=4)
    window_time.measure(4, 2.0)
    assert window_time.seconds == 0.5
    window_time.measure(4, 4.0)
    assert window_time.seconds == pytest.approx(0.55)


def test_small_batches_without_a_backlog_are_not_measured() -> None:
    window_time = WindowTime(batch_windows=8)
    window_time.measure(8, 0.8)
    window_time.measure(3, 30.0)
    assert window_time.seconds == pytest.approx(0.1)
    window_time.measure(4, 0.4)
    assert window_time.seconds == pytest.approx(0.1)


def test_gaps_in_a_backlog_count_up_to_the_duration_of_the_batch() -> None:
    window_time = WindowTime(batch_windows=8)
    window_time.measure(2, 0.2, gap_s=0.1)
    assert window_time.seconds == pytest.approx(0.15)
    window_time.measure(2, 0.2, gap_s=10.0)
    assert window_time.seconds == pytest.approx(0.15 + 0.1 * (0.2 - 0.15))
