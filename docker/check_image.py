"""Builds the CPU image and runs it as its users do; the exit status is 1 if anything is not as it must be.

    python3 docker/check_image.py [--if-possible]

It needs Python 3.11 or later, and either a Docker engine or root on a Debian with access to its packages. With
--if-possible, a machine on which no image can be built is no fault.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from containers import (
    BuildahImage,
    Container,
    DockerImage,
    build_with_buildah,
    build_with_docker,
    has_docker_engine,
    obstacle_to_building,
    report,
)
from demo_answer import ABSENT, differences, localize, read_truth, request, search_library

MAX_ADDED_BYTES = 850_000_000
"""Maximum size that the image adds to its base image."""
HEALTHY_S = 90
"""Maximum time from the start to the first successful health check, in seconds."""
PROGRAMS = ("cc", "gcc", "g++", "c++", "clang", "ld", "as", "make", "cargo", "go")
"""Programs of compilers, which the image must not have."""
MODULES = ("torch", "training", "model_export", "matplotlib", "setuptools", "pip")
"""Modules that the service does not need, which its environment must not have."""
_INSPECT = f"""
import importlib.util, pathlib, shutil
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/1/status").read_text().splitlines())
mounts = [line.split() for line in pathlib.Path("/proc/1/mounts").read_text().splitlines()]
print([program for program in {PROGRAMS} if shutil.which(program)])
print([module for module in {MODULES} if importlib.util.find_spec(module)])
print(*(field for name in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs") for field in status[name].split()))
print(*(options.split(",")[0] for _, place, _, options, *_ in mounts if place == "/"))
print(pathlib.Path("/tmp/written").write_bytes(b"x"))
"""
_FAILURES = ("Traceback", '"level": "error"', '"level": "critical"')
"""Texts that the output of the service must not have."""
_NO_CAPABILITY = "0" * 16


@contextmanager
def built_image() -> Iterator[DockerImage | BuildahImage]:
    """The CPU image, built by a Docker engine if there is one and by buildah otherwise."""
    arguments = [f"--build-arg=PIP_INDEX_URL={url}"] if (url := os.environ.get("PIP_INDEX_URL")) else []
    if has_docker_engine():
        yield build_with_docker("cpu", arguments)
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="earmark-image-") as folder:
        image = build_with_buildah("cpu", arguments, Path(folder))
        try:
            yield image
        finally:
            image.close()


def wait_for_health(container: Container, command: list[str]) -> float:
    """Runs the health check until it succeeds; returns the time that this took, in seconds.

    Raises:
        RuntimeError: If it does not succeed within `HEALTHY_S`.
    """
    start_s = time.monotonic()
    while (check := container.execute(command)).returncode:
        if time.monotonic() - start_s > HEALTHY_S:
            raise RuntimeError(f"the service is not healthy after {HEALTHY_S} s: {check.stdout}{check.stderr}")
        time.sleep(0.2)
    return time.monotonic() - start_s


def inspect(container: Container, user: str) -> list[str]:
    """Says in one line each what is wrong with the contents and the privileges of a running container."""
    done = container.execute(["/opt/earmark/bin/python", "-c", _INSPECT])
    if done.returncode:
        return [f"the container cannot be inspected: {done.stderr}"]
    uid, _, gid = user.partition(":")
    privileges = " ".join([*[uid] * 4, *[gid] * 4, _NO_CAPABILITY, _NO_CAPABILITY, "1"])
    names = (
        "compilers",
        "modules",
        "user, group, capabilities and no_new_privs",
        "root file system",
        "bytes written to /tmp",
    )
    expected = ("[]", "[]", privileges, "ro", "1")
    values = done.stdout.splitlines()
    return [
        f"{name}: {value}, expected {right}"
        for name, value, right in zip(names, values, expected, strict=True)
        if value != right
    ]


def check(image: DockerImage | BuildahImage, log: Path) -> list[str]:
    """Runs the image, and says in one line each what is wrong; the output of the service goes to `log`."""
    config, truth = image.config, read_truth()
    report(f"The image adds {image.added_bytes / 1e6:.0f} MB to its base image.")
    faults = [] if image.added_bytes < MAX_ADDED_BYTES else [f"the image adds more than {MAX_ADDED_BYTES / 1e6:.0f} MB"]
    kind, *health = config["Healthcheck"]["Test"]
    if kind != "CMD":
        raise RuntimeError(f"the health check is of kind {kind}; CMD is expected")
    with image.run(log) as container:
        report(f"The service is healthy after {wait_for_health(container, health):.1f} s.")
        faults += inspect(container, config["User"])
        ready = request(container.host, container.port, "GET", "/readyz")
        faults += [f"GET /readyz answers {ready}"] if ready.get("degraded") else []
        start_s = time.monotonic()
        answer = localize(container.host, container.port, [*truth, ABSENT])
        report(f"The demo recording is localized in {time.monotonic() - start_s:.1f} s.")
        faults += differences(answer, truth)
        faults += _library_faults(container, answer)
        start_s = time.monotonic()
        status = container.stop()
        report(f"The service stops {time.monotonic() - start_s:.1f} s after SIGTERM with status {status}.")
        faults += [f"the exit status is {status}, expected 0"] if status else []
    output = log.read_text(encoding="utf-8")
    return faults + [f"the log has {word!r}" for word in _FAILURES if word in output]


def _library_faults(container: Container, answer: dict[str, Any]) -> list[str]:
    """Says what is wrong if the library does not find the segments that an answer about the same recording has."""
    result = answer["results"][0]
    expected = sorted((segment["onset_s"], segment["offset_s"]) for segment in result["segments"])
    start_s = time.monotonic()
    moments = search_library(container.host, container.port, result["query"])
    report(f"The recording is added to a library and found there in {time.monotonic() - start_s:.1f} s.")
    return [] if moments == expected else [f"the library has {result['query']!r} at {moments}, expected {expected}"]


def main() -> int:
    """Builds and checks the image; returns 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description="Builds the CPU image and runs it as its users do.")
    parser.add_argument("--if-possible", action="store_true", help="succeed where no image can be built")
    if parser.parse_args().if_possible and (obstacle := obstacle_to_building()):
        report(f"No image is checked, because none can be built here: {obstacle}")
        return 0
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        try:
            with built_image() as image:
                report(f"The image is built in {time.monotonic() - start_s:.0f} s.")
                faults = check(image, log)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            faults = [str(error)]
        if faults and log.exists():
            report(f"The output of the service:\n{log.read_text(encoding='utf-8')}")
    for fault in faults:
        report(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
