"""Two ways to build an image and run it as a container: a Docker engine, or buildah on a Debian without one."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
TEMPORARY_BYTES = 256 << 20
"""Size of the tmpfs at /tmp in a container."""
STOP_S = 40
"""Time that the service has to stop after SIGTERM, in seconds; longer than `EARMARK_GRACE_S`."""
_OPEN = "EARMARK_OPEN=1"
"""The images listen on every address; only this machine reaches the containers of the check."""
_LIBRARY = "EARMARK_LIBRARY=/tmp/library"
"""A library that is made at the start, so that the check sees whether its packages work."""
_START_POLL_S = 0.05
_DEBIAN = "trixie"
"""The Debian release of the base image that is made where there is no Docker engine, as in the Dockerfile."""
_DEBIAN_PACKAGES = "python3,python3-venv,ca-certificates"
_PROGRAMS = {"buildah": "buildah", "debootstrap": "debootstrap", "unshare": "util-linux", "mount": "mount"}
"""The Debian packages of the programs that build and run an image without a Docker engine."""


class Container(Protocol):
    """A running container."""

    host: str
    port: int

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command in the container as the container's user."""
        ...

    def stop(self) -> int:
        """Sends SIGTERM to the container's command, and returns its exit status."""
        ...


def run_program(*command: str | Path) -> str:
    """Runs a program, and returns its standard output without the final newline.

    Raises:
        RuntimeError: If it fails; the message has its output.
    """
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False)
    if done.returncode:
        output = f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
        raise RuntimeError(f"{' '.join(map(str, command))}\nfailed with status {done.returncode}:\n{output}")
    return done.stdout.rstrip("\n")


def base_image() -> str:
    """The base image that the Dockerfile names."""
    (name,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    return name


def has_docker_engine() -> bool:
    """Whether the command `docker` reaches an engine."""
    return (
        shutil.which("docker") is not None
        and not subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, check=False
        ).returncode
    )


def build_with_docker(target: str, arguments: Sequence[str]) -> "DockerImage":
    """Builds a target of the Dockerfile with a Docker engine."""
    base = base_image()
    name = f"earmark:check-{target}"
    run_program("docker", "pull", "--quiet", base)
    run_program("docker", "build", "--target", target, "--file", DOCKERFILE, "--tag", name, *arguments, ROOT)
    return DockerImage(name, base)


class DockerImage:
    """An image in a Docker engine."""

    def __init__(self, name: str, base: str) -> None:
        self._name = name
        self.config: dict[str, Any] = json.loads(run_program("docker", "image", "inspect", name))[0]["Config"]
        self.added_bytes = self._bytes(name) - self._bytes(base)

    @staticmethod
    def _bytes(name: str) -> int:
        measure = ("docker", "run", "--rm", "--user", "0", "--entrypoint", "du", name, "-skx", "/")
        return int(run_program(*measure).split()[0]) * 1024

    @contextmanager
    def run(self, log: Path) -> Iterator[Container]:
        """Runs the image's own command until the end of the block; its output is then in `log`."""
        limits = ("--read-only", "--tmpfs", f"/tmp:size={TEMPORARY_BYTES}", "--cap-drop", "ALL")
        settings = ("--env", _OPEN, "--env", _LIBRARY)
        options = (*limits, "--security-opt", "no-new-privileges", *settings, "--publish", "127.0.0.1::8000")
        name = run_program("docker", "run", "--detach", *options, self._name)
        try:
            yield DockerContainer(name)
        finally:
            with log.open("w") as file:
                subprocess.run(["docker", "logs", name], stdout=file, stderr=subprocess.STDOUT, check=False)
            run_program("docker", "rm", "--force", name)


class DockerContainer:
    """A container in a Docker engine."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.host, _, port = run_program("docker", "port", name, "8000/tcp").splitlines()[0].rpartition(":")
        self.port = int(port)

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command in the container as the container's user."""
        return subprocess.run(["docker", "exec", self._name, *command], text=True, capture_output=True, check=False)

    def stop(self) -> int:
        """Sends SIGTERM to the container's command, and returns its exit status."""
        run_program("docker", "stop", "-t", str(STOP_S), self._name)
        return int(run_program("docker", "inspect", "--format", "{{.State.ExitCode}}", self._name))


def build_with_buildah(target: str, arguments: Sequence[str], folder: Path) -> "BuildahImage":
    """Builds a target of the Dockerfile with buildah, on a base image that debootstrap makes.

    Raises:
        RuntimeError: If a step fails, or if this is no Debian on which this process is root.
    """
    _install_missing(_PROGRAMS)
    base = folder / "base"
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    run_program("debootstrap", "--variant=minbase", f"--include={_DEBIAN_PACKAGES}", _DEBIAN, base, mirror)
    for leftovers in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(base / leftovers)
    buildah = _Buildah(folder)
    scratch = buildah("from", "scratch")
    buildah("add", "--quiet", scratch, base, "/")
    buildah("commit", "--quiet", scratch, "localhost/python-base")
    certificates = ("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro")  # those that this machine trusts
    isolation = ("--isolation", "chroot", "--network", "host", "--format", "docker")  # other formats lose HEALTHCHECK
    options = ("--build-arg", "PYTHON_IMAGE=localhost/python-base", *isolation, *certificates, *arguments)
    buildah("bud", "--target", target, "--file", DOCKERFILE, "--tag", "localhost/earmark", *options, ROOT)
    return BuildahImage(buildah, _bytes(base))


def obstacle_to_building() -> str | None:
    """Says why no image can be built on this machine; None if one can.

    The trial installs the missing Debian packages, and runs a program in a container that has nothing else.
    """
    if has_docker_engine():
        return None
    try:
        _install_missing(_PROGRAMS)
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="earmark-trial-") as folder:
            buildah = _Buildah(Path(folder))
            name = buildah("from", "scratch")
            try:
                buildah("add", "--quiet", name, "/sbin/ldconfig", "/trial")  # it is linked statically
                buildah("run", "--isolation", "chroot", name, "/trial", "--version")
            finally:
                buildah("rm", name)
        run_program("unshare", "--mount", "--pid", "--fork", "--propagation", "private", "true")
    except (RuntimeError, OSError) as error:
        return " ".join(str(error).split())
    return None


def _install_missing(packages: dict[str, str]) -> None:
    """Installs the Debian packages of the programs that this machine lacks."""
    missing = sorted({package for program, package in packages.items() if shutil.which(program) is None})
    if os.geteuid() != 0 or (missing and shutil.which("apt-get") is None):
        raise RuntimeError(
            "the image is built with a Docker engine, or as root on Debian with buildah; here is neither"
        )
    if missing:
        apt_get = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-qq")
        run_program(*apt_get, "update")
        run_program(*apt_get, "install", "--no-install-recommends", *missing)


def _bytes(tree: Path) -> int:
    return int(run_program("du", "-skx", tree).split()[0]) * 1024


class _Buildah:
    """The command buildah with a storage of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        places = ("--root", folder / "storage", "--runroot", folder / "run")
        self._command: tuple[str | Path, ...] = ("buildah", *places, "--storage-driver", "overlay")
        try:
            self("info")
        except RuntimeError:  # overlay does not work within some containers
            self._command = ("buildah", *places, "--storage-driver", "vfs")

    def __call__(self, *arguments: str | Path) -> str:
        return run_program(*self._command, *arguments)


class BuildahImage:
    """An image in the storage of buildah."""

    def __init__(self, buildah: _Buildah, base_bytes: int) -> None:
        self._buildah = buildah
        name = buildah("from", "localhost/earmark")
        self._root = Path(buildah("mount", name))
        self._name = name
        self.config: dict[str, Any] = json.loads(buildah("inspect", name))["Docker"]["config"]
        self.added_bytes = _bytes(self._root) - base_bytes

    @contextmanager
    def run(self, log: Path) -> Iterator[Container]:
        """Runs the image's own command until the end of the block; its output is then in `log`."""
        with log.open("w") as file:
            container = ChrootContainer(self._root, self.config, file)
            try:
                yield container
            finally:
                container.kill()

    def close(self) -> None:
        """Unmounts the image."""
        self._buildah("rm", self._name)


_START = """
set -e
cd "$1"; shift
mount --bind . . ; cd "$PWD"
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t tmpfs -o "size=$1,mode=1777,noexec,nosuid,nodev" tmpfs tmp; shift
mount -t tmpfs -o size=64k,mode=755,nosuid tmpfs dev
for device in null zero random urandom; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mount -o remount,bind,ro .
exec chroot . "$@"
"""
"""Makes a read-only root with /proc, /tmp and /dev in a mount namespace, and runs a command in it."""


class ChrootContainer:
    """A command in namespaces for mounts and processes, with an image as its read-only root, without any capability."""

    def __init__(self, root: Path, config: dict[str, Any], log: IO[str]) -> None:
        self.host, self.port = "127.0.0.1", _free_port()
        user, _, group = config["User"].partition(":")
        variables = [*config["Env"], _OPEN, _LIBRARY, f"EARMARK_PORT={self.port}"]
        identity = (f"--reuid={user}", f"--regid={group}", "--clear-groups")
        privileges = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
        self._prefix = ("setpriv", *identity, *privileges, "env", "-i", "-C", config["WorkingDir"] or "/", *variables)
        command = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
        spaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
        start = (*spaces, "sh", "-c", _START, "sh", str(root), str(TEMPORARY_BYTES), *self._prefix, *command)
        self._unshare = subprocess.Popen(start, stdout=log, stderr=subprocess.STDOUT)

    def execute(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command in the container as the container's user."""
        enter = ("nsenter", "--target", str(self._first_process()), "--mount", "--pid", "--root", "--wd=/")
        return subprocess.run([*enter, *self._prefix, *command], text=True, capture_output=True, check=False)

    def stop(self) -> int:
        """Sends SIGTERM to the container's command, and returns its exit status."""
        os.kill(self._first_process(), signal.SIGTERM)
        return self._unshare.wait(STOP_S)

    def kill(self) -> None:
        """Ends the container if it still runs."""
        if self._unshare.poll() is None:
            self._unshare.kill()  # --kill-child ends its child too
            self._unshare.wait()

    def _first_process(self) -> int:
        """The process ID, on this machine, of the container's command."""
        pid = self._unshare.pid
        while self._unshare.poll() is None:
            if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                return int(children[0])
            time.sleep(_START_POLL_S)
        raise RuntimeError(f"the container ended with status {self._unshare.returncode}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def report(line: str) -> None:
    """Writes a line of progress."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
