import numpy as np
import pytest

from service.engine.call import Call, CallAbandoned
from service.engine.pending_window import PendingWindow
from service.engine.turns import Turns


def windows_of(call: Call, number: int) -> list[PendingWindow]:
    return [PendingWindow(call, np.zeros(1, np.float32)) for _ in range(number)]


def test_calls_take_turns_and_each_keeps_the_order_of_its_windows() -> None:
    turns, first, second = Turns(), windows_of(Call(), 3), windows_of(Call(), 2)
    for window in (*first, *second):
        turns.add(window)
    assert turns.n_waiting == 5
    order: list[PendingWindow] = []
    while turns.is_waiting:
        batch = turns.take(1)
        order += batch
        turns.finished(batch)
    assert order == [first[0], second[0], first[1], second[1], first[2]]


def test_a_call_whose_windows_run_comes_after_calls_with_none() -> None:
    turns, long, short = Turns(), windows_of(Call(), 4), windows_of(Call(), 1)
    for window in long:
        turns.add(window)
    running = turns.take(1)
    turns.add(short[0])
    assert turns.take(1) == short
    turns.finished(running)
    assert turns.take(1) == [long[1]]
    assert turns.take(2) == long[2:]
    assert {queued.call: queued.n_windows for queued in turns.queued()} == {long[0].call: 3, short[0].call: 1}
    assert (turns.n_waiting, turns.is_waiting) == (0, False)


def test_windows_of_abandoned_calls_are_dropped_with_the_reason() -> None:
    turns, gone, kept = Turns(), windows_of(Call(), 2), windows_of(Call(), 1)
    for window in (*gone, *kept):
        turns.add(window)
    gone[0].call.abandon()
    assert [queued.call for queued in turns.queued()] == [kept[0].call]
    assert turns.take(4) == kept
    assert turns.n_dropped == 2
    for window in gone:
        assert isinstance(window.embeddings.exception(), CallAbandoned)


def test_clearing_returns_what_waits_but_not_what_runs() -> None:
    turns, windows = Turns(), windows_of(Call(), 3)
    for window in windows:
        turns.add(window)
    turns.take(1)
    assert turns.clear() == windows[1:]
    assert not turns.is_waiting
    with pytest.raises(IndexError):
        turns.take(1)[0]
