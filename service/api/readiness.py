"""Whether the model can answer, told by a real forward pass at first and after every fault."""

from collections.abc import Callable

import anyio
import anyio.to_thread

from service.api.metrics import Metrics
from service.core.errors import NotReady, ServiceEnding


class Readiness:
    """Trusts the model from a check that it passes to the next fault.

    Args:
        check: Does a forward pass, and raises if it goes wrong.
        metrics: Where readiness is shown.
        is_shutting_down: Tells whether the process takes nothing new.
    """

    def __init__(self, check: Callable[[], object], metrics: Metrics, is_shutting_down: Callable[[], bool]) -> None:
        self._is_shutting_down = is_shutting_down
        self._check = check
        self._metrics = metrics
        self._is_ready = False
        self._lock = anyio.Lock()

    def invalidate(self) -> None:
        """Asks for a check before the model is trusted again."""
        self._set_ready(False)

    async def ensure_ready(self) -> None:
        """Checks the model unless it is trusted.

        Raises:
            NotReady: If the check goes wrong.
            ServiceEnding: If the process takes nothing new.
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

    def _set_ready(self, trusted: bool) -> None:
        self._is_ready = trusted
        self._metrics.set_ready(trusted)
