"""docker-compose.yml as Docker Compose reads it: variables, profiles, mounts and commands of the services."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
ENV_EXAMPLE = ROOT / ".env.example"
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "mib": 1 << 20, "gib": 1 << 30}


def variables() -> dict[str, str]:
    """The variables of docker-compose.yml with their defaults; empty for one without a default."""
    return dict(_VARIABLE.findall(COMPOSE.read_text(encoding="utf-8")))


def read_compose(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with its variables replaced by those of the environment or by their defaults."""
    given = environment or {}
    text = _VARIABLE.sub(lambda match: given.get(match[1]) or match[2], COMPOSE.read_text(encoding="utf-8"))
    return yaml.safe_load(text)


def active_services(*profiles: str) -> set[str]:
    """Names of the services that start with these profiles."""
    services = read_compose()["services"]
    return {
        name
        for name, service in services.items()
        if "profiles" not in service or set(service["profiles"]) & set(profiles)
    }


@dataclass(frozen=True)
class Mount:
    """A file, folder or volume in a container.

    Attributes:
        source: Path on the host, relative to the repository, or the name of a volume.
        target: Absolute path in the container.
        read_only: Whether the container may only read it.
        is_volume: Whether the source is a named volume.
    """

    source: str
    target: PurePosixPath
    read_only: bool
    is_volume: bool


def mounts(compose: Mapping[str, Any], service: str) -> list[Mount]:
    """The volumes and secrets of a service."""
    found = []
    for text in compose["services"][service].get("volumes", []):
        source, target, *mode = text.split(":")
        found.append(Mount(source, PurePosixPath(target), mode == ["ro"], not source.startswith(("./", "/"))))
    for name in compose["services"][service].get("secrets", []):
        file = compose["secrets"][name]["file"]
        found.append(Mount(file, PurePosixPath("/run/secrets") / name, True, False))
    return found


def host_path(compose: Mapping[str, Any], service: str, path: str, root: Path = ROOT) -> Path:
    """Where a path of a container is on the host.

    Args:
        compose: The file.
        service: Name of the service.
        path: Absolute path in its container.
        root: Folder that stands for the repository.

    Raises:
        KeyError: If no mounted file or folder has the path.
    """
    for mount in mounts(compose, service):
        if not mount.is_volume and PurePosixPath(path).is_relative_to(mount.target):
            return root / mount.source / PurePosixPath(path).relative_to(mount.target)
    raise KeyError(path)


def size_bytes(text: str) -> int:
    """A size such as 3g, 1536m, 1gb or 520MiB, in bytes."""
    number, unit = re.fullmatch(r"(\d+)([a-z]*)", text.lower()).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS[unit if unit in _UNITS else unit.removesuffix("b")]


def seconds(text: str) -> int:
    """A duration such as 45s, in seconds."""
    return int(re.fullmatch(r"(\d+)s", text)[1])  # type: ignore[index]


def env_example() -> dict[str, tuple[str, bool]]:
    """The variables of .env.example: the value, and whether the line is in effect."""
    lines = re.findall(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$", ENV_EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (value, not comment) for comment, name, value in lines}
