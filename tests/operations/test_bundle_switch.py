"""A bundle is replaced behind the proxy without a failed request, by the steps of docker/README.md."""

import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.operations.checkout import prepare_checkout
from tests.operations.proxies import Proxy, proxy_of
from tests.service_process import Service, run_service, wav
from tests.waiting import PATIENCE_S, wait_until

CLIENTS = 4


@pytest.fixture
def bundles(tiny_bundle: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two bundles, whose models have the versions 1 and 2."""
    found = []
    for version in ("1", "2"):
        bundle = Path(shutil.copytree(tiny_bundle, tmp_path / f"bundle-{version}"))
        manifest = json.loads((bundle / "manifest.json").read_text())
        (bundle / "manifest.json").write_text(json.dumps(manifest | {"version": version}))
        found.append(bundle)
    return found[0], found[1]


class Load:
    """Requests of several clients through a proxy, each with a new clip and on a new connection."""

    def __init__(self, proxy: Proxy) -> None:
        self.versions: Counter[str] = Counter()
        self.failures: list[str] = []
        self._proxy, self._end, self._context = proxy, threading.Event(), proxy.context()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CLIENTS)]

    def _send(self, client: int) -> None:
        count = 0
        while not self._end.is_set():
            count += 1
            clip = wav(1.0 + client * 0.1 + count * 0.001)
            try:
                answer = self._post(clip)
            except httpx.TransportError as error:
                self.failures.append(repr(error))
                continue
            if answer.status_code == httpx.codes.OK:
                self.versions[answer.json()["model"]["version"]] += 1
            else:
                self.failures.append(f"{answer.status_code} {answer.text}")

    def _post(self, clip: bytes) -> httpx.Response:
        """Sends a clip on a new connection; connects again if none is made, because a reload of Caddy may refuse a few."""
        transport = httpx.HTTPTransport(verify=self._context, retries=2)
        with httpx.Client(base_url=self._proxy.url, transport=transport, timeout=PATIENCE_S) as client:
            return client.post("/localize?query=low", content=clip, headers={"Content-Type": "audio/wav"})

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in self._threads:
                thread.join()

    def answer_from(self, version: str, number: int = 20) -> None:
        """Waits until a model has answered that many more requests."""
        before = self.versions[version]
        wait_until(lambda: self.failures or self.versions[version] >= before + number)
        assert self.failures == []


def point_to(proxy: Proxy, service: Service) -> None:
    """What `docker compose exec --env PROXY_UPSTREAM=... proxy caddy reload` does."""
    environment = {**proxy.environment, "PROXY_UPSTREAM": "{}:{}".format(*service.address)}
    command = ["caddy", "reload", *proxy.command[2:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_request_fails_while_a_bundle_is_replaced_and_rolled_back(
    bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    checkout = prepare_checkout(root)
    old, new = bundles
    with ExitStack() as stack:

        def start(bundle: Path, name: str) -> Service:
            folder = tmp_path / name
            folder.mkdir()
            return stack.enter_context(run_service(bundle, folder))

        earmark = start(old, "earmark")
        proxy = stack.enter_context(proxy_of(checkout, "{}:{}".format(*earmark.address)))
        load = Load(proxy)
        with load.running():
            load.answer_from("1")
            following = start(new, "earmark-next")  # beside the old one; ready when run_service returns
            point_to(proxy, following)
            load.answer_from("2")
            assert earmark.stop() == 0  # drains
            earmark = start(new, "earmark-again")
            point_to(proxy, earmark)
            load.answer_from("2")
            assert following.stop() == 0
            rolled_back = start(old, "earmark-old")
            point_to(proxy, rolled_back)
            load.answer_from("1")
            assert earmark.stop() == 0
            load.answer_from("1")
    assert load.failures == []
    assert sum(load.versions.values()) >= 100
