"""docker/containers.py with a program in place of `docker`, which notes its commands and answers as an engine does."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONTAINERS = Path(__file__).parents[2] / "docker" / "containers.py"
ENGINE = f"""#!{sys.executable}
import json, pathlib, sys
arguments = sys.argv[1:]
with pathlib.Path(__file__).with_name("commands").open("a") as file:
    file.write(json.dumps(arguments) + "\\n")
if arguments[0] == "version" and pathlib.Path(__file__).with_name("down").exists():
    sys.exit("Cannot connect to the Docker daemon")
if arguments[:2] == ["image", "inspect"]:
    print(json.dumps([{{"Config": {{"User": "10001:10001"}}}}]))
elif arguments[0] == "run" and "du" in arguments:
    print("500000 /" if "earmark:check-cpu" in arguments else "120000 /")
elif arguments[0] == "run":
    print("0123456789ab")
elif arguments[0] == "port":
    print("127.0.0.1:49153\\n[::1]:49153")
elif arguments[0] == "exec":
    print("output of " + " ".join(arguments[2:]))
    sys.exit(3)
elif arguments[0] == "inspect":
    print("0")
elif arguments[0] == "logs":
    print("Earmark listens")
elif arguments[0] == "build" and "--build-arg=FAIL=1" in arguments:
    sys.exit("no such package")
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the program; it takes the place of `docker` on the path."""
    program = tmp_path / "docker"
    program.write_text(ENGINE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


@pytest.fixture
def containers() -> dict[str, Any]:
    return runpy.run_path(str(CONTAINERS))


def commands(engine: Path) -> list[list[str]]:
    return [json.loads(line) for line in (engine / "commands").read_text().splitlines()]


def test_an_engine_is_used_only_if_it_answers(engine: Path, containers: dict[str, Any]) -> None:
    assert containers["has_docker_engine"]()
    (engine / "down").touch()
    assert not containers["has_docker_engine"]()


def test_the_size_is_what_the_image_adds_to_the_base_image_of_the_dockerfile(
    engine: Path, containers: dict[str, Any]
) -> None:
    image = containers["build_with_docker"]("cpu", ["--build-arg=PIP_INDEX_URL=https://mirror.example/simple"])
    assert image.added_bytes == 380_000 * 1024
    assert image.config == {"User": "10001:10001"}
    pull, build, *_ = commands(engine)
    assert pull == ["pull", "--quiet", containers["base_image"]()]
    assert build[:3] == ["build", "--target", "cpu"]
    assert "--build-arg=PIP_INDEX_URL=https://mirror.example/simple" in build


def test_a_build_that_fails_is_an_error_with_its_output(engine: Path, containers: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="no such package"):
        containers["build_with_docker"]("cpu", ["--build-arg=FAIL=1"])


def test_a_container_runs_the_own_command_of_the_image_without_privileges(
    engine: Path, containers: dict[str, Any], tmp_path: Path
) -> None:
    image = containers["build_with_docker"]("cpu", [])
    log = tmp_path / "log"
    with image.run(log) as container:
        assert (container.host, container.port) == ("127.0.0.1", 49153)
        done = container.execute(["id", "-u"])
        assert (done.returncode, done.stdout) == (3, "output of id -u\n")
        assert container.stop() == 0
    (run,) = [command for command in commands(engine) if command[:2] == ["run", "--detach"]]
    assert run[-1] == "earmark:check-cpu"  # no command after the image
    assert {"--read-only", "--cap-drop", "--security-opt", "--tmpfs"} <= set(run)
    assert ["stop", "-t", str(containers["STOP_S"]), "0123456789ab"] in commands(engine)
    assert commands(engine)[-1] == ["rm", "--force", "0123456789ab"]
    assert log.read_text() == "Earmark listens\n"


def test_with_an_engine_nothing_stands_in_the_way_of_a_build(containers: dict[str, Any], engine: Path) -> None:
    assert containers["obstacle_to_building"]() is None


def test_the_obstacle_to_a_build_is_named_in_one_line(containers: dict[str, Any], engine: Path) -> None:
    (engine / "down").touch()
    for name in ("buildah", "debootstrap", "unshare", "mount"):
        program = engine / name
        program.write_text("#!/bin/sh\necho 'operation\nnot permitted' >&2\nexit 1\n")
        program.chmod(0o755)
    obstacle = containers["obstacle_to_building"]()
    assert "operation not permitted" in obstacle or "root" in obstacle
    assert "\n" not in obstacle
    command = [sys.executable, str(CONTAINERS.with_name("check_image.py"))]
    possible = subprocess.run([*command, "--if-possible"], capture_output=True, text=True, check=False)
    assert (possible.returncode, possible.stdout.count("\n")) == (0, 1)
    assert possible.stdout.startswith("No image is checked, because none can be built here: ")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
