"""Metrics of the traffic by API key. The labels are the names in the keys file, so their number is bounded."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from service.access.keys import ANONYMOUS

OUTCOMES = ("ok", "limited", "client_error", "server_error", "gone")
"""Classes of answers: below status 400, refused by a limit of the key (429), other 4xx, 5xx, and clients that left."""
REFUSALS = ("missing", "unknown")
"""Reasons for which a key is not accepted."""


class KeyMetrics(Collector):
    """Prometheus collector that counts requests and audio by key; may be used from any thread.

    Args:
        names: Returns the names of the valid keys. The series of other names are dropped at the next scrape.
    """

    def __init__(self, names: Callable[[], Collection[str]]) -> None:
        self._names = names
        self._lock = threading.Lock()
        self._requests: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._audio_s: defaultdict[str, float] = defaultdict(float)
        self._refusals: defaultdict[str, int] = defaultdict(int)

    def count_request(self, name: str, outcome: str, audio_s: float = 0.0) -> None:
        """Counts a request that needs a key, by the name of its key, and the audio that was decoded for it."""
        with self._lock:
            self._requests[name, outcome] += 1
            self._audio_s[name] += audio_s

    def count_refusal(self, reason: str) -> None:
        """Counts a request without a valid key."""
        with self._lock:
            self._refusals[reason] += 1

    def collect(self) -> Iterator[Metric]:
        """Yields the current values; every valid key has all its series."""
        names = [ANONYMOUS, *sorted(self._names())]
        with self._lock:
            self._forget_others(set(names))
            requests_by_key, audio_by_key, refusals_by_reason = (
                self._requests.copy(),
                self._audio_s.copy(),
                self._refusals.copy(),
            )
        requests = CounterMetricFamily(
            "earmark_key_requests",
            "Requests to routes that need a key, by the name of the key and the class of the answer.",
            labels=("key", "outcome"),
        )
        audio = CounterMetricFamily(
            "earmark_key_audio_seconds", "Audio that was decoded, by the name of the key, in seconds.", labels=("key",)
        )
        for name in names:
            for outcome in OUTCOMES:
                requests.add_metric((name, outcome), requests_by_key[name, outcome])
            audio.add_metric((name,), audio_by_key[name])
        yield requests
        yield audio
        refusals = CounterMetricFamily(
            "earmark_key_refusals", "Requests that were refused for lack of a valid key, by reason.", labels=("reason",)
        )
        for reason in REFUSALS:
            refusals.add_metric((reason,), refusals_by_reason[reason])
        yield refusals

    def _forget_others(self, names: set[str]) -> None:
        for name, outcome in list(self._requests):
            if name not in names:
                del self._requests[name, outcome]
        for name in list(self._audio_s):
            if name not in names:
                del self._audio_s[name]


def outcome_of(status: int) -> str:
    """The class of an answer; a status of 0 stands for no answer."""
    if status == 0:
        return "gone"
    if status < 400:
        return "ok"
    return "client_error" if status < 500 else "server_error"
