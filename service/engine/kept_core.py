"""The core that long clips leave free for a while after a short clip, so that the next short clip does not wait for them."""

import math
import time
from collections.abc import Callable

KEEP_S = 0.25
"""Time for which long clips leave a core free after a window of a short clip, in seconds."""


class KeptCore:
    """Decides whether windows of long clips may take the last free core; the caller guards it with a lock.

    People and programs that send short clips mostly send several, one after another. Without other clips, a long clip has all
    cores.

    Args:
        n_cores: Number of windows that are embedded at the same time; no core is kept free if there is only one.
        keep_s: Time for which a core is kept free after a window of a short clip, in seconds.
        now_s: The clock.
    """

    def __init__(self, n_cores: int, keep_s: float = KEEP_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._n_cores, self._keep_s, self._now_s = n_cores, keep_s, now_s
        self._until_s = -math.inf

    def short_clip_came(self) -> None:
        """Notes a window of a short clip."""
        if self._n_cores > 1:
            self._until_s = self._now_s() + self._keep_s

    @property
    def left_s(self) -> float | None:
        """Time for which a core is still kept free, in seconds; None if none is kept free."""
        left_s = self._until_s - self._now_s()
        return left_s if left_s > 0 else None

    def is_kept(self, n_running: int) -> bool:
        """Whether the only free core is kept free while `n_running` windows are embedded."""
        return n_running >= self._n_cores - 1 and self.left_s is not None
