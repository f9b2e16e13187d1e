"""The service as a process gives the same answers while its Redis is paused, stopped, emptied, full or spoilt."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from tests import patient_http
from tests.redis_server import RedisServer
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.resume()
    server.stop()


@pytest.fixture
def url(redis: RedisServer, tiny_bundle: Path) -> Iterator[str]:
    settings = {
        "BUNDLE": str(tiny_bundle),
        "PORT": "0",
        "LOG_LEVEL": "error",
        "REDIS_URL": redis.url,
        "CACHE_BYTES": "0",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
    environment = inherited | {f"EARMARK_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address
        yield address.group()
        process.terminate()


def _wav(number: int) -> bytes:
    clip = BytesIO()
    soundfile.write(clip, np.sin(np.arange(16_000) * (0.05 + number / 1000)) / 2, 16_000, format="WAV")
    return clip.getvalue()


def _spoil(redis: RedisServer) -> None:
    for key in redis.client.keys("earmark:*"):
        redis.client.set(key, b"garbage")


TROUBLES: dict[str, Callable[[RedisServer], object]] = {
    "paused": RedisServer.pause,
    "stopped": RedisServer.stop,
    "emptied": lambda redis: redis.client.flushall(),
    "full": RedisServer.fill,
    "garbage": _spoil,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_requests_before_during_and_after_the_trouble_get_the_same_answers(
    url: str, redis: RedisServer, trouble: str
) -> None:
    """The cache in memory is disabled, so every request needs Redis."""
    expected = {number: _post(url, number).json()["results"] for number in range(4)}

    def are_written() -> bool:
        if len(redis.client.keys("earmark:*")) >= len(expected):
            return True
        for number in expected:  # again: on a busy machine Redis may not take an embedding in time
            _post(url, number)
        return False

    wait_until(are_written)
    started, over = threading.Event(), threading.Event()

    def work(number: int) -> list[httpx.Response]:
        answers: list[httpx.Response] = []
        while not over.is_set() or len(answers) < 3:
            answers.append(_post(url, number))
            started.set()
        return answers

    with ThreadPoolExecutor(len(expected)) as pool:
        running = {number: pool.submit(work, number) for number in expected}
        try:
            assert started.wait(PATIENCE_S)
            TROUBLES[trouble](redis)
            after = [_post(url, number) for number in (*expected, *range(100, 103))]
            ready = patient_http.get(f"{url}/readyz")
        finally:
            over.set()
        answers = {number: future.result() for number, future in running.items()}
    assert ready.status_code == 200
    assert all(answer.status_code == 200 for answer in after)
    for number, answers_of_clip in answers.items():
        assert all(answer.json()["results"] == expected[number] for answer in answers_of_clip)
    if trouble in ("paused", "stopped"):
        wait_until(lambda: patient_http.get(f"{url}/readyz").json().get("degraded") == ["redis"])


def _post(url: str, number: int) -> httpx.Response:
    files = [("audio", ("clip.wav", _wav(number))), ("query", (None, "low"))]
    return patient_http.post(f"{url}/localize", files=files)
