"""Readiness of the model, checked by a real forward pass at the first request for it and after every fault."""

from collections.abc import Callable

import anyio
import anyio.to_thread

from service.api.metrics import Metrics
from service.core.errors import NotReady, Saturated, ServiceEnding

SATURATED_AFTER_S = 10.0


class Readiness:
    """State of the model: ready from a passed check until the next fault.

    Args:
        check: Runs a forward pass of the model, and raises an exception if it fails.
        metrics: Metrics in which the state is recorded.
        is_shutting_down: Returns whether the process is shutting down.
        refusing_for_s: Returns the time for which every request has been refused, in seconds.
        is_ready: Whether the model has just passed its check.
    """

    def __init__(
        self,
        check: Callable[[], object],
        metrics: Metrics,
        is_shutting_down: Callable[[], bool],
        refusing_for_s: Callable[[], float] = lambda: 0.0,
        is_ready: bool = False,
    ) -> None:
        self._refusing_for_s = refusing_for_s
        self._is_shutting_down = is_shutting_down
        self._check = check
        self._metrics = metrics
        self._lock = anyio.Lock()
        self._set_ready(is_ready)

    def invalidate(self) -> None:
        """Marks the model as not ready, so that the next `ensure_ready` checks it."""
        self._set_ready(False)

    def update_metric(self) -> None:
        """Records in the metrics whether `ensure_ready` would return at once."""
        self._metrics.set_ready(self._is_ready and not self._is_shutting_down() and not self._is_saturated())

    async def ensure_ready(self) -> None:
        """Returns if the model is ready; checks the model first if it has not passed a check since the last fault.

        Raises:
            NotReady: If the check fails.
            ServiceEnding: If the process is shutting down.
            Saturated: If every request has been refused for `SATURATED_AFTER_S` seconds.
        """
        if self._is_shutting_down():
            raise ServiceEnding
        if self._is_saturated():
            raise Saturated
        async with self._lock:
            if self._is_ready:
                return
            try:
                await anyio.to_thread.run_sync(self._check)
            except Exception as error:
                raise NotReady from error
            self._set_ready(True)

    def _is_saturated(self) -> bool:
        return self._refusing_for_s() >= SATURATED_AFTER_S

    def _set_ready(self, ready: bool) -> None:
        self._is_ready = ready
        self.update_metric()
