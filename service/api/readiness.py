"""Readiness of the model, checked by a real forward pass at the first request for it and after every fault."""

from collections.abc import Callable

import anyio
import anyio.to_thread

from service.api.metrics import Metrics
from service.core.errors import NotReady, ServiceEnding


class Readiness:
    """State of the model: ready from a passed check until the next fault.

    Args:
        check: Runs a forward pass of the model, and raises an exception if it fails.
        metrics: Metrics in which the state is recorded.
        is_shutting_down: Returns whether the process is shutting down.
    """

    def __init__(self, check: Callable[[], object], metrics: Metrics, is_shutting_down: Callable[[], bool]) -> None:
        self._is_shutting_down = is_shutting_down
        self._check = check
        self._metrics = metrics
        self._is_ready = False
        self._lock = anyio.Lock()

    def invalidate(self) -> None:
        """Marks the model as not ready, so that the next `ensure_ready` checks it."""
        self._set_ready(False)

    async def ensure_ready(self) -> None:
        """Returns if the model is ready; checks the model first if it has not passed a check since the last fault.

        Raises:
            NotReady: If the check fails.
            ServiceEnding: If the process is shutting down.
        """
        if self._is_shutting_down():
            raise ServiceEnding
        async with self._lock:
            if self._is_ready:
                return
            try:
                await anyio.to_thread.run_sync(self._check)
            except Exception as error:
                raise NotReady from error
            self._set_ready(True)

    def _set_ready(self, ready: bool) -> None:
        self._is_ready = ready
        self._metrics.set_ready(ready)
