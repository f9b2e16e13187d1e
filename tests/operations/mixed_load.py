"""Requests of all kinds, good and bad, and troubles of the parts that the service uses."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import psutil
import soundfile

from tests import patient_http
from tests.redis_server import RedisServer
from tests.service_process import Service, form, head
from tests.waiting import PATIENCE_S, wait_until

MAX_UPLOAD_BYTES = 4_000_000
MAX_REQUESTS = 2
REQUEST_TIMEOUT_S = 10
SETTINGS = {
    "MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
    "MAX_REQUESTS": str(MAX_REQUESTS),
    "REQUEST_TIMEOUT_S": str(REQUEST_TIMEOUT_S),
    "DECODERS": "1",
    "CACHE_BYTES": "200000",
    "LOG_LEVEL": "error",
}
"""Settings of a service whose limits this load reaches."""
_RATE_HZ = 16_000
_ATTEMPTS = 10


class MixedLoad:
    """Sends requests to a service, and counts the statuses of the answers.

    Args:
        service: The service, with `SETTINGS`.
        redis: Its Redis.
        keys: Two keys that it accepts: one without limits, and one that allows a single request a minute.
    """

    def __init__(self, service: Service, redis: RedisServer, keys: tuple[str, str]) -> None:
        self._service, self._redis = service, redis
        self._headers, self._limited_headers = ({"Authorization": f"Bearer {key}"} for key in keys)
        self._client = httpx.Client(base_url=service.url, headers=self._headers, timeout=PATIENCE_S)
        self._n_clips = 0
        self.statuses: Counter[int] = Counter()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def send_ordinary(self) -> None:
        """New, cached and known clips; probes; and the mistakes of clients."""
        clip = self._new_clip(3.0)
        clip_id = self._answered(clip, "a dog barks", "rain").json()["clip"]["id"]
        self._post(clip, "a siren")
        self._post(None, "a siren", clip_id=clip_id)
        self._post(self._new_clip(12.0), "rain", "wind", "a car horn", "birds")
        self._post(np.zeros(_RATE_HZ, np.float32), "silence")  # has a warning
        self._post(clip)
        self._post(None, "rain", clip_id="0" * 64)
        self._post(clip, "rain", threshold="high")
        for path in ("/livez", "/readyz", "/info", "/nowhere", "/problems/audio-empty", "/docs"):
            self._count(self._client.get(path))
        self._count(self._client.head(f"/clips/{clip_id}"))
        self._post_bytes(b"not audio")
        self._post_bytes(b"\0" * (MAX_UPLOAD_BYTES + 1))
        self._leave()
        for headers in ({}, {"Authorization": "Bearer unknown"}, self._limited_headers, self._limited_headers):
            fields = {"clip_id": clip_id, "query": "rain"}
            self._count(patient_http.post(f"{self._service.url}/localize", data=fields, headers=headers))

    def use_library(self) -> None:
        """Recordings are added, found, read and removed; and the mistakes of clients."""
        recording = self._add_recording(self._new_clip(3.0))
        for members in ({"query": "rain"}, {"query": "rain", "exact": True}, {"query": "rain", "where": "zone = 1"}):
            self._count(self._client.post("/search", json=members))
        path = f"/library/clips/{recording}"
        for method, target in (("GET", "/library"), ("GET", path), ("DELETE", path), ("GET", path)):
            self._count(self._client.request(method, target))

    def _add_recording(self, clip: np.ndarray) -> str:
        """Adds a recording to the library, again if the service is too slow; returns its id."""
        content = self._flac(clip)
        for _ in range(_ATTEMPTS):
            answer = self._count(self._client.post("/library/clips", files=[("audio", ("a", content))]))
            if answer.status_code == httpx.codes.CREATED:
                return answer.json()["id"]
        raise AssertionError(f"no recording was added in {_ATTEMPTS} attempts")

    def send_too_many(self, meanwhile: Callable[[], None]) -> None:
        """More requests at once than the service takes, which takes so many while its decoders are stopped.

        Args:
            meanwhile: Called while requests are in progress.
        """
        clips = [self._new_clip(20.0) for _ in range(MAX_REQUESTS)]
        with ThreadPoolExecutor(MAX_REQUESTS) as clients, self._service.decoders_stopped():
            accepted = [clients.submit(self._post, clip, "a dog barks") for clip in clips]
            wait_until(lambda: self._service.metric("earmark_requests_in_flight") > MAX_REQUESTS)  # and this request
            before = self.statuses[429]
            wait_until(
                lambda: self._post(self._new_clip(1.0), "rain") and self.statuses[429] >= before + 3 * MAX_REQUESTS
            )
            meanwhile()
        for request in accepted:
            request.result()

    def lose_a_decoder(self) -> None:
        """A decoder is killed while it decodes a clip; another decodes the clip."""
        self._while_a_decoder_is_stopped(lambda decoder: decoder.kill())

    def miss_a_deadline(self) -> None:
        """A decoder hangs until the deadline of the request."""
        self._while_a_decoder_is_stopped(lambda decoder: None)

    def lose_redis(self, until: Callable[[], bool]) -> None:
        """Redis does not answer until a condition holds, while requests go on."""
        self._redis.pause()
        try:
            wait_until(lambda: self._post(self._new_clip(1.0), "rain") and until())
        finally:
            self._redis.resume()

    def fill_redis(self) -> None:
        """Redis refuses a write, because it is full."""
        refused = 'earmark_redis_refusals_total{reason="full"}'
        self._redis.fill()
        wait_until(lambda: self._post(self._new_clip(1.0), "rain") and self._service.metric(refused) > 0)
        self._redis.allow_writes()

    def _while_a_decoder_is_stopped(self, action: Callable[[psutil.Process], None]) -> None:
        """Sends a clip to a decoder that is stopped, and does something to the decoder once it has the clip."""
        (decoder,) = self._service.decoders()
        decoder.suspend()
        with ThreadPoolExecutor(1) as client:
            request = client.submit(self._post, self._new_clip(2.0), "rain")
            wait_until(lambda: request.done() or self._service.metric("earmark_decoder_processes_busy") > 0)
            action(decoder)

    def _leave(self) -> None:
        """Disconnects before the answer."""
        body = form(self._flac(self._new_clip(10.0)), "rain")
        authorization = f"Authorization: {self._headers['Authorization']}"
        content = head(f"Content-Length: {len(body)}", authorization) + body
        self._service.send(content[: len(content) // 2]).close()

    def _new_clip(self, seconds: float) -> np.ndarray:
        self._n_clips += 1
        return np.random.default_rng(self._n_clips).uniform(-0.3, 0.3, int(seconds * _RATE_HZ)).astype(np.float32)

    def _post(self, clip: np.ndarray | None, *queries: str, **fields: str) -> httpx.Response:
        files: list[Any] = [] if clip is None else [("audio", ("a", self._flac(clip)))]
        files += [(name, (None, value)) for name, value in (*(("query", text) for text in queries), *fields.items())]
        return self._count(self._client.post("/localize", files=files))

    def _answered(self, clip: np.ndarray, *queries: str) -> httpx.Response:
        """The answer about a clip, which is sent again if the service is too slow."""
        for _ in range(_ATTEMPTS):
            if (answer := self._post(clip, *queries)).status_code == httpx.codes.OK:
                return answer
        raise AssertionError(f"no answer in {_ATTEMPTS} attempts")

    def _post_bytes(self, content: bytes) -> None:
        """A clip from bytes; a service that refuses the size may close the connection while they are sent."""
        try:
            self._count(self._client.post("/localize", files=[("audio", ("a", content)), ("query", (None, "rain"))]))
        except httpx.TransportError:
            self.statuses[413] += 1

    def _count(self, answer: httpx.Response) -> httpx.Response:
        self.statuses[answer.status_code] += 1
        return answer

    @staticmethod
    def _flac(clip: np.ndarray) -> bytes:
        content = BytesIO()
        soundfile.write(content, clip, _RATE_HZ, format="FLAC")
        return content.getvalue()
