"""The Dockerfile and its lock files: pinned, without privileges, and in line with the project."""

import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings, variable
from tests.http_server import Reply, serve

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = ("cpu", "gpu")
GPU_ONLY = re.compile(r"onnxruntime-gpu|nvidia-[a-z0-9-]+")
UNWANTED = {"torch", "matplotlib", "transformers", "scipy"}


@dataclass
class Stage:
    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


def read_dockerfile() -> tuple[dict[str, str], dict[str, Stage]]:
    """The arguments before the first stage, and the stages by name in their order."""
    lines = [line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]
            stages[name] = Stage(name, base)
        elif word == "ARG" and not stages:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word:
            list(stages.values())[-1].instructions.append((word, " ".join(rest.split())))
    return arguments, stages


ARGUMENTS, STAGES = read_dockerfile()


def final_stages(target: str) -> Iterator[Stage]:
    """The stages whose instructions make the final image: the target and the stages that it starts from."""
    while target in STAGES:
        yield STAGES[target]
        target = STAGES[target].base


def instructions(target: str, word: str) -> list[str]:
    """The values of an instruction in the final image, in the order in which they apply."""
    stages = list(final_stages(target))[::-1]
    return [value for stage in stages for instruction, value in stage.instructions if instruction == word]


def environment(target: str) -> dict[str, str]:
    pairs = [pair.partition("=") for value in instructions(target, "ENV") for pair in shlex.split(value)]
    return {name: value for name, _, value in pairs}


def read_lock(name: str) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes of each package of a lock file."""
    text = "\n".join(line for line in (DOCKER / name).read_text().splitlines() if not line.lstrip().startswith("#"))
    packages: dict[str, tuple[str, list[str]]] = {}
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        requirement, *hashes = line.split()
        package, version = re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", requirement).groups()  # type: ignore[union-attr]
        packages[canonical(package)] = version, hashes
    return packages


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


LOCKS = {path.name: read_lock(path.name) for path in sorted(DOCKER.glob("*.lock"))}


def test_base_images_are_arguments_with_an_exact_version() -> None:
    assert {stage.base for stage in STAGES.values()} - set(STAGES) == {"${PYTHON_IMAGE}"}
    assert list(ARGUMENTS) == ["PYTHON_IMAGE"]
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+", ARGUMENTS["PYTHON_IMAGE"])
    assert "latest" not in (DOCKER / "Dockerfile").read_text()


def test_both_targets_exist_and_a_build_without_a_target_makes_the_cpu_image() -> None:
    assert set(TARGETS) <= set(STAGES)
    assert list(STAGES)[-1] == "cpu"


def test_the_check_without_docker_builds_on_the_same_debian() -> None:
    containers = (DOCKER / "containers.py").read_text()
    (release,) = re.findall(r'^_DEBIAN = "([a-z]+)"$', containers, re.MULTILINE)
    assert ARGUMENTS["PYTHON_IMAGE"].endswith(f"-{release}")


@pytest.mark.parametrize("target", TARGETS)
def test_the_final_image_is_copied_together_and_runs_nothing_at_build_time(target: str) -> None:
    assert instructions(target, "RUN") == []
    copies = [value.split() for value in instructions(target, "COPY")]
    assert copies == [
        ["docker/healthcheck.py", "/opt/healthcheck.py"],
        ["--from=tools", f"--chown={instructions(target, 'USER')[-1]}", "/build/library", "/library"],
        [f"--from=install-{target}", "/opt/earmark", "/opt/earmark"],
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_the_user_is_a_number_other_than_root(target: str) -> None:
    user, group = instructions(target, "USER")[-1].split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


@pytest.mark.parametrize("target", TARGETS)
def test_the_health_check_runs_the_script_with_the_python_of_the_image(target: str) -> None:
    (check,) = instructions(target, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command == ["/opt/earmark/bin/python", "-I", "/opt/healthcheck.py"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_command_serves(target: str) -> None:
    assert [*json.loads(instructions(target, "ENTRYPOINT")[-1]), *json.loads(instructions(target, "CMD")[-1])] == [
        "earmark",
        "serve",
    ]
    assert instructions(target, "STOPSIGNAL") == ["SIGTERM"]


@pytest.mark.parametrize("target", TARGETS)
def test_labels_are_those_of_the_project(target: str) -> None:
    defaults = dict(value.split("=", 1) for value in instructions(target, "ARG") if "=" in value)
    (value,) = instructions(target, "LABEL")
    labels = {
        name.removeprefix("org.opencontainers.image."): text for name, text in map(split_pair, shlex.split(value))
    }
    assert defaults["VERSION"] == PROJECT["version"]
    assert labels["version"] == "${VERSION}"
    assert labels["description"] == PROJECT["description"]
    assert labels["licenses"] == PROJECT["license"]
    assert {"title", "revision", "created", "base.name"} <= set(labels)


def split_pair(pair: str) -> list[str]:
    return pair.split("=", 1)


@pytest.mark.parametrize("target", TARGETS)
def test_the_environment_consists_of_accepted_settings(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {name: value for name, value in environment(target).items() if name.startswith("EARMARK_")}
    assert set(variables) <= set(map(variable, Settings.model_fields))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.host, settings.log_format) == ("0.0.0.0", "json")
    assert settings.device == {"cpu": "auto", "gpu": "cuda"}[target]
    assert instructions(target, "EXPOSE") == [str(settings.port)]


@pytest.mark.parametrize("target", TARGETS)
def test_only_wheels_with_known_hashes_are_installed(target: str) -> None:
    installs = [
        part
        for stage in (STAGES["tools"], STAGES[f"install-{target}"])
        for word, value in stage.instructions
        if word == "RUN"
        for part in value.split(" && ")
        if " install " in part
    ]
    locked = [part for part in installs if "--require-hashes --only-binary :all: -r requirements-" in part]
    (package,) = [part for part in installs if part not in locked]
    assert len(locked) == 2
    assert package.endswith("--no-deps package/*.whl")


def test_what_is_copied_from_the_repository_exists_and_is_sent_to_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sources = [
        source
        for stage in STAGES.values()
        for word, value in stage.instructions
        if word == "COPY" and "--from" not in value
        for source in value.split()[:-1]
    ]
    assert "*" in ignored
    for source in sources:
        assert (ROOT / source).exists()
        assert any(Path(source).match(line[1:]) for line in ignored if line.startswith("!")), source


def test_there_is_a_lock_file_for_the_build_and_for_each_target() -> None:
    assert set(LOCKS) == {"requirements-build.lock", "requirements-cpu.lock", "requirements-gpu.lock"}


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    assert LOCKS[name]
    for package, (_, hashes) in LOCKS[name].items():
        assert hashes, package
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", value) for value in hashes), package


@pytest.mark.parametrize("name", LOCKS)
def test_versions_are_those_of_the_requirements_lock(name: str) -> None:
    lines = [line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines()]
    expected = {canonical(package): version for package, version in lines}
    for package, (version, _) in LOCKS[name].items():
        if name != "requirements-gpu.lock" or not GPU_ONLY.fullmatch(package):
            assert version == expected.get(package), package


@pytest.mark.parametrize("target", TARGETS)
def test_every_dependency_of_the_service_is_locked_and_no_other_heavy_package(target: str) -> None:
    extras = PROJECT["optional-dependencies"]
    own, *others = extras[target]
    assert own == "earmark[client,server]"
    wanted = [*PROJECT["dependencies"], *extras["client"], *extras["server"], *extras["library"], *others]
    locked = set(LOCKS[f"requirements-{target}.lock"])
    assert {canonical(re.split(r"[<>=\[]", name)[0]) for name in wanted} <= locked
    assert not locked & UNWANTED


def test_cuda_comes_with_onnx_runtime() -> None:
    requirements = PROJECT["optional-dependencies"]["gpu"]
    assert any(name.startswith("onnxruntime-gpu[cuda,cudnn]") for name in requirements)
    assert [name for name in LOCKS["requirements-gpu.lock"] if name.startswith("nvidia-cudnn")]


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
def test_the_health_check_succeeds_only_if_the_service_is_ready(status: int, expected: int) -> None:
    with serve() as server:
        server.answer = lambda request: Reply(status=status)
        port = server.url.rpartition(":")[2]
        assert run_health_check({"EARMARK_HOST": "0.0.0.0", "EARMARK_PORT": port}) == expected
        assert run_health_check({"earmark_host": "", "earmark_port": port}) == expected
        assert server.paths() == ["/readyz", "/readyz"]


def test_the_health_check_fails_if_nothing_listens() -> None:
    with serve() as server:
        port = server.url.rpartition(":")[2]
    assert run_health_check({"EARMARK_PORT": port}) == 1


def run_health_check(variables: dict[str, str]) -> int:
    return subprocess.run([sys.executable, "-I", DOCKER / "healthcheck.py"], env=variables, check=False).returncode


DEMO = runpy.run_path(str(DOCKER / "demo_answer.py"))
TRUTH = DEMO["read_truth"]()


def answer_of(segments: dict[str, list[tuple[float, float]]], warnings: list[Any]) -> dict[str, Any]:
    results = [
        {"query": query, "segments": [{"onset_s": onset_s, "offset_s": offset_s} for onset_s, offset_s in intervals]}
        for query, intervals in segments.items()
    ]
    return {"clip": {"warnings": warnings}, "results": results}


RIGHT = {**TRUTH, DEMO["ABSENT"]: []}
WRONG = {
    "a missing event": ({**RIGHT, "a dog barks": TRUTH["a dog barks"][:1]}, []),
    "a late event": ({**RIGHT, "birds chirp": [(3.0, 4.7)]}, []),
    "no answer": ({query: events for query, events in RIGHT.items() if query != "birds chirp"}, []),
    "a false segment": ({**RIGHT, "a dog barks": [*TRUTH["a dog barks"], (20.0, 21.0)]}, []),
    "an absent sound": ({**RIGHT, DEMO["ABSENT"]: [(1.0, 2.0)]}, []),
    "a warning": (RIGHT, [{"code": "undecoded"}]),
}


def test_the_truth_differs_in_nothing_from_itself() -> None:
    assert DEMO["differences"](answer_of(RIGHT, []), TRUTH) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_reported(wrong: str) -> None:
    assert DEMO["differences"](answer_of(*WRONG[wrong]), TRUTH)


def test_the_image_check_lints_the_dockerfile_and_runs_the_image() -> None:
    _, _, target = (ROOT / "Makefile").read_text().partition("\nimage-check:")
    recipe = target.split("\n\n")[0]
    assert "hadolint docker/Dockerfile" in recipe
    assert "docker/check_image.py" in recipe
