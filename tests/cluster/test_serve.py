"""The service on Ray Serve with two replicas on a real cluster."""

import threading
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from service.client import Client
from service.engine.clip_embedding import ClipEmbedding
from tests.ray_cluster import APP, deploy, ray_serve, running
from tests.tiny_bundle import sign_bundle
from tests.waiting import wait_until

PATIENCE_S = 200


def _wav(seed: int) -> bytes:
    buffer = BytesIO()
    noise = np.random.default_rng(seed).standard_normal(16_000 + seed)
    soundfile.write(buffer, 0.1 * noise, 16_000, format="WAV")
    return buffer.getvalue()


def _deploy(bundle: Path) -> None:
    deploy(min_replicas=2, max_replicas=2, num_cpus=0.5, bundle=str(bundle), decoders=1)


@pytest.fixture(scope="module")
def url(tiny_bundle: Path) -> Iterator[str]:
    with running(2) as cluster, ray_serve(cluster) as url:
        _deploy(tiny_bundle)
        yield url


def _replicas() -> list[Any]:
    from ray import serve

    (deployment,) = serve.status().applications[APP].deployments.values()
    return [deployment.replica_states.get("RUNNING", 0), deployment.status]


def _post(http: httpx.Client, url: str, clip: bytes | str, **headers: str) -> httpx.Response:
    if isinstance(clip, str):
        return http.post(f"{url}/localize", data={"query": "low tone", "clip_id": clip}, headers=headers)
    return http.post(f"{url}/localize", data={"query": "low tone"}, files={"audio": clip}, headers=headers)


def test_a_clip_id_is_valid_at_every_replica_without_any_header(url: str) -> None:
    with httpx.Client(timeout=PATIENCE_S) as http:
        assert _replicas()[0] == 2
        for seed in range(6):
            uploaded = _post(http, url, _wav(seed)).json()
            for _ in range(6):  # without the header, the replica is drawn anew each time
                known = _post(http, url, uploaded["clip"]["id"])
                assert known.status_code == 200, known.text
                assert known.json()["results"] == uploaded["results"]
        missing = _post(http, url, "0" * 64)
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


def test_a_clip_belongs_to_one_replica_and_clips_are_spread_over_both(url: str) -> None:
    from ray import serve

    handle, embedding = serve.get_deployment_handle("Earmark", APP), ClipEmbedding(np.ones((1, 8), np.float16), 0.04)

    def take(clip_id: str, session_id: str) -> bool:
        return handle.options(session_id=session_id).take.remote(clip_id).result(timeout_s=PATIENCE_S) is not None

    clip_ids = [f"{seed:064x}" for seed in range(12)]
    for clip_id in clip_ids:
        handle.options(session_id=clip_id).keep.remote(clip_id, embedding).result(timeout_s=PATIENCE_S)
    assert all(take(clip_id, clip_id) for clip_id in clip_ids for _ in range(3))
    assert {take(clip_ids[0], clip_id) for clip_id in clip_ids} == {True, False}


def test_the_client_sends_the_header_and_uploads_each_clip_once(url: str) -> None:
    with Client(url) as client:
        first = [client.localize(_wav(seed), "low tone") for seed in range(200, 206)]
        again = [client.localize(_wav(seed), "low tone") for seed in range(200, 206)]
    assert [item.clip.cached for item in first] == [False] * 6
    assert [item.clip.cached for item in again] == [True] * 6


def test_a_bundle_is_replaced_without_a_failed_request(url: str, tiny_bundle_copy: Path) -> None:
    sign_bundle(tiny_bundle_copy, version="2")
    statuses: Counter[int] = Counter()
    versions: list[str] = []
    stop = threading.Event()

    def send() -> None:
        with httpx.Client(timeout=PATIENCE_S) as http:
            seed = 1000
            while not stop.is_set():
                answer = _post(http, url, _wav(seed))
                statuses[answer.status_code] += 1
                versions.append(answer.json().get("model", {}).get("version"))
                seed += 1

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: versions)
        _deploy(tiny_bundle_copy)
        with httpx.Client(timeout=PATIENCE_S) as http:
            after = {_post(http, url, _wav(seed)).json()["model"]["version"] for seed in range(5000, 5010)}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert after == {"2"}
    assert set(statuses) == {200}
    assert versions[0] == "1"
    assert _replicas()[0] == 2
