import anyio
import pytest

from service.api.demand import DemandEstimate
from service.api.lanes import Lanes
from tests.unit.api.fake_engine import FakeBatcher
from tests.unit.api.held_slot import held_slot


def estimate(queue: FakeBatcher) -> DemandEstimate:
    return DemandEstimate(queue, Lanes(parallel_windows=4))


def test_an_upload_waits_for_the_windows_ahead_and_adds_its_own() -> None:
    queue = FakeBatcher()
    queue.ahead_s = 7.0
    demand = estimate(queue).of_request(5)
    assert (demand.wait_s, demand.work_s) == (7.0, pytest.approx(5 * 0.02))


def test_a_known_clip_does_not_wait_for_the_audio_encoder() -> None:
    queue = FakeBatcher()
    queue.ahead_s = 7.0
    demand = estimate(queue).of_request(None)
    assert (demand.wait_s, demand.work_s) == (0, 0)


def test_the_lane_counts_if_it_takes_longer_than_the_windows() -> None:
    queue, lanes = FakeBatcher(), Lanes(parallel_windows=4)
    lanes.short.slot_s = 8.0
    demand = DemandEstimate(queue, lanes).of_request(1)
    assert (demand.wait_s, demand.work_s) == (0, 1.0)


@pytest.mark.anyio
async def test_requests_that_wait_in_the_lane_count() -> None:
    lanes = Lanes(parallel_windows=4)
    lanes.long.slot_s = 8.0

    async def hold() -> None:
        async with held_slot(lanes, lanes.long):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for _ in range(7):
            tasks.start_soon(hold)
        await anyio.wait_all_tasks_blocked()
        assert DemandEstimate(FakeBatcher(), lanes).of_request(100).wait_s == 6.0
        tasks.cancel_scope.cancel()


def test_the_windows_of_a_body_are_guessed_from_its_size_and_the_guess_is_learned() -> None:
    queue = FakeBatcher()
    demand_estimate = estimate(queue)
    assert demand_estimate.of_body(3_200_000).work_s == pytest.approx(10 * queue.window_s)
    for _ in range(100):
        demand_estimate.learn(1_000_000, 50)
    assert demand_estimate.of_body(1_000_000).work_s == pytest.approx(50 * queue.window_s, rel=0.05)


def test_a_small_body_or_one_of_unknown_size_may_be_about_a_known_clip() -> None:
    queue = FakeBatcher()
    queue.ahead_s = 7.0
    demand_estimate = estimate(queue)
    demand_estimate.learn(100, 50)
    assert [demand_estimate.of_body(n_bytes).wait_s for n_bytes in (0, 1000, 32 << 10)] == [0, 0, 7.0]
