import threading

import anyio
import pytest

from service.api.metrics import Metrics
from service.api.readiness import SATURATED_AFTER_S, Readiness
from service.core.errors import NotReady, Saturated, ServiceEnding
from service.shutdown import Shutdown
from tests.unit.api.expositions import read_series
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


class Model:
    """A model whose check passes or fails, and which remembers its checks."""

    def __init__(self) -> None:
        self.healthy = True
        self.n_checks = 0
        self.threads: set[int] = set()
        self.blocked = threading.Event()
        self.blocked.set()

    def check(self) -> None:
        self.n_checks += 1
        self.threads.add(threading.get_ident())
        assert self.blocked.wait(PATIENCE_S)
        if not self.healthy:
            raise RuntimeError("secret of the device")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def shutdown() -> Shutdown:
    return Shutdown()


@pytest.fixture
def readiness(model: Model, metrics: Metrics, shutdown: Shutdown) -> Readiness:
    return Readiness(model.check, metrics, is_shutting_down=lambda: shutdown.has_begun)


async def test_a_model_that_passed_its_check_is_not_checked_again(readiness: Readiness, model: Model) -> None:
    for _ in range(3):
        await readiness.ensure_ready()
    assert model.n_checks == 1


async def test_an_invalidated_model_is_checked_again(readiness: Readiness, model: Model) -> None:
    await readiness.ensure_ready()
    readiness.invalidate()
    await readiness.ensure_ready()
    assert model.n_checks == 2


async def test_a_model_that_fails_is_checked_at_each_request_until_it_passes(
    readiness: Readiness, model: Model
) -> None:
    model.healthy = False
    for _ in range(2):
        with pytest.raises(NotReady) as failure:
            await readiness.ensure_ready()
        assert isinstance(failure.value.__cause__, RuntimeError)
        assert "secret" not in str(failure.value)
    model.healthy = True
    await readiness.ensure_ready()
    assert model.n_checks == 3


async def test_the_metric_follows_the_state(readiness: Readiness, model: Model, metrics: Metrics) -> None:
    states = [read_series(metrics)["earmark_ready"]]
    await readiness.ensure_ready()
    states.append(read_series(metrics)["earmark_ready"])
    readiness.invalidate()
    states.append(read_series(metrics)["earmark_ready"])
    model.healthy = False
    with pytest.raises(NotReady):
        await readiness.ensure_ready()
    states.append(read_series(metrics)["earmark_ready"])
    assert states == [0, 1, 0, 0]


async def test_concurrent_requests_share_one_check_outside_the_event_loop(readiness: Readiness, model: Model) -> None:
    model.blocked.clear()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(readiness.ensure_ready)
        await anyio.wait_all_tasks_blocked()
        model.blocked.set()
    assert model.n_checks == 1
    assert threading.get_ident() not in model.threads


async def test_a_service_that_refuses_everybody_for_a_while_is_not_ready(model: Model, metrics: Metrics) -> None:
    refusing_for_s = [SATURATED_AFTER_S - 1]
    readiness = Readiness(model.check, metrics, lambda: False, refusing_for_s=lambda: refusing_for_s[0])
    await readiness.ensure_ready()
    refusing_for_s[0] = SATURATED_AFTER_S
    with pytest.raises(Saturated):
        await readiness.ensure_ready()
    readiness.update_metric()
    assert read_series(metrics)["earmark_ready"] == 0
    refusing_for_s[0] = 0
    readiness.update_metric()
    assert read_series(metrics)["earmark_ready"] == 1
    await readiness.ensure_ready()
    assert model.n_checks == 1


async def test_a_shutdown_is_reported_without_a_check(readiness: Readiness, model: Model, shutdown: Shutdown) -> None:
    await readiness.ensure_ready()
    readiness.invalidate()
    shutdown.begin()
    with pytest.raises(ServiceEnding):
        await readiness.ensure_ready()
    assert model.n_checks == 1


async def test_a_model_that_has_been_checked_is_ready_at_once(
    model: Model, metrics: Metrics, shutdown: Shutdown
) -> None:
    readiness = Readiness(model.check, metrics, lambda: shutdown.has_begun, is_ready=True)
    assert read_series(metrics)["earmark_ready"] == 1
    await readiness.ensure_ready()
    assert model.n_checks == 0


async def test_a_process_that_shuts_down_is_not_ready(
    readiness: Readiness, metrics: Metrics, shutdown: Shutdown
) -> None:
    await readiness.ensure_ready()
    shutdown.begin()
    readiness.update_metric()
    assert read_series(metrics)["earmark_ready"] == 0
