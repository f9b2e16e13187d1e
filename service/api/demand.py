"""Estimates of what a request would wait for, and of the work that it would add."""

from dataclasses import dataclass

from service.api.lanes import Lanes
from service.engine.interface import WindowQueue

_SMOOTHING = 0.1
_USUAL_WINDOWS_PER_BYTE = 1 / 320_000
"""About 10 s of 16-bit sound at 16 kHz in a window."""
_SURE_UPLOAD_BYTES = 32 << 10
"""A body of this size has a clip in it; a smaller one may be about a known clip."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request needs.

    Attributes:
        wait_s: Estimated time until the work of the request begins, in seconds.
        work_s: Estimated time by which the request makes later requests wait, in seconds.
    """

    wait_s: float
    work_s: float


class DemandEstimate:
    """Estimates the demand of requests from the backlog of the audio encoder and from the lanes.

    The estimate is the larger of two: the windows ahead times the time per window, and the requests that wait in the lane
    times the time after which the lane admits the next. The second includes decoding, queries and answers.

    Args:
        queue: The queue in front of the audio encoder.
        lanes: The lanes in which requests wait.
    """

    def __init__(self, queue: WindowQueue, lanes: Lanes) -> None:
        self._queue, self._lanes = queue, lanes
        self._windows_per_byte = _USUAL_WINDOWS_PER_BYTE

    def of_request(self, n_windows: int | None) -> Demand:
        """The demand of a request that was received completely.

        Args:
            n_windows: Expected number of windows of its upload; None for a known clip.
        """
        lane = self._lanes.lane_of(n_windows)
        if n_windows is None:
            return Demand(lane.wait_s, lane.turn_s)
        return Demand(
            max(lane.wait_s, self._queue.wait_s(n_windows)), max(lane.turn_s, n_windows * self._queue.window_s)
        )

    def of_body(self, n_bytes: int) -> Demand:
        """The demand of a request before its body is received.

        Args:
            n_bytes: Size of the body as declared; 0 if it is not.
        """
        is_upload = n_bytes >= _SURE_UPLOAD_BYTES
        return self.of_request(max(1, round(n_bytes * self._windows_per_byte)) if is_upload else None)

    def learn(self, n_bytes: int, n_windows: int) -> None:
        """Learns from an upload how many windows a byte usually holds.

        Args:
            n_bytes: Size of the body.
            n_windows: Expected number of windows of the clip.
        """
        if n_bytes >= _SURE_UPLOAD_BYTES and n_windows:
            self._windows_per_byte += _SMOOTHING * (n_windows / n_bytes - self._windows_per_byte)
