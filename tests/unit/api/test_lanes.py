from typing import Any

import anyio
import pytest

from service.api import lanes as lanes_module
from service.api.lanes import Lane, Lanes
from tests.unit.api.held_slot import held_slot
from tests.virtual_time import VIRTUAL_TIME, LoopClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(lanes_module, "time", LoopClock)
    return VIRTUAL_TIME


@pytest.mark.parametrize(("n_windows", "name"), [(None, "known"), (0, "short"), (8, "short"), (9, "long")])
def test_the_lane_follows_from_the_expected_number_of_windows(n_windows: int | None, name: str) -> None:
    lanes = Lanes(parallel_windows=4)
    assert lanes.lane_of(n_windows) is getattr(lanes, name)


@pytest.mark.parametrize(("parallel_windows", "n_slots"), [(1, 8), (4, 8), (64, 128)])
def test_short_clips_have_slots_for_two_batches(parallel_windows: int, n_slots: int) -> None:
    assert Lanes(parallel_windows).short.n_slots == n_slots


async def test_requests_get_their_slots_in_the_order_of_their_arrival() -> None:
    lanes, order = Lanes(parallel_windows=1), list[int]()

    async def work(number: int) -> None:
        async with held_slot(lanes, lanes.long):
            order.append(number)
            await anyio.sleep(0.001)

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(work, number)
            await anyio.sleep(0)
    assert order == list(range(50))


async def test_long_clips_do_not_hold_up_short_clips() -> None:
    lanes = Lanes(parallel_windows=1)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(hold, lanes, lanes.long)
        await anyio.wait_all_tasks_blocked()
        assert lanes.long.n_waiting == 16
        with anyio.fail_after(1):
            async with held_slot(lanes, lanes.short):
                pass
        tasks.cancel_scope.cancel()


async def hold(lanes: Lanes, lane: Lane) -> None:
    async with held_slot(lanes, lane):
        await anyio.sleep_forever()


async def test_a_request_that_leaves_while_it_waits_frees_its_turn() -> None:
    lanes = Lanes(parallel_windows=1)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(hold, lanes, lanes.long)
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0.01):
            await hold(lanes, lanes.long)
        assert lanes.long.n_waiting == 0
        tasks.cancel_scope.cancel()
    with anyio.fail_after(1):
        async with held_slot(lanes, lanes.long):
            pass


async def test_a_clip_that_turns_out_to_be_long_moves_to_the_long_clips_once_they_have_room() -> None:
    lanes = Lanes(parallel_windows=1)
    async with anyio.create_task_group() as slow, anyio.create_task_group() as tasks:
        for _ in range(8):
            slow.start_soon(hold, lanes, lanes.short)
        await anyio.wait_all_tasks_blocked()
        done = anyio.Event()

        async def short() -> None:
            async with held_slot(lanes, lanes.short):
                done.set()

        tasks.start_soon(short)
        with anyio.fail_after(2.1):
            await done.wait()
        assert anyio.current_time() == pytest.approx(2, abs=1e-4)
        slow.cancel_scope.cancel()
    with anyio.fail_after(1):
        for lane in (lanes.short, lanes.long):
            async with anyio.create_task_group() as tasks:
                for _ in range(lane.n_slots):  # all slots are free again
                    tasks.start_soon(brief, lanes, lane)


async def brief(lanes: Lanes, lane: Lane) -> None:
    async with held_slot(lanes, lane):
        await anyio.sleep(0)


async def test_the_wait_is_learned_from_requests_that_had_a_slot_while_others_waited() -> None:
    lanes = Lanes(parallel_windows=1)
    assert lanes.long.wait_s == 0

    async def work() -> None:
        async with held_slot(lanes, lanes.long):
            await anyio.sleep(0.04)

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(work)
        await anyio.sleep(0.06)
        assert lanes.long.n_waiting == 4
        assert lanes.long.wait_s == pytest.approx(4 * 0.04 / 4, abs=1e-4)
    assert lanes.long.wait_s == 0
