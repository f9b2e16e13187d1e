"""A prepared copy of what docker-compose.yml needs, with the paths and addresses of the containers mapped to this machine."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compose_file import ROOT, mounts, read_compose

_FOLDERS = ("redis", "prometheus", "grafana", "proxy")


@dataclass(frozen=True)
class Checkout:
    """A folder with docker-compose.yml and the files that it mounts, after docker/prepare.sh.

    Attributes:
        root: The folder.
        compose: The file, with variables replaced.
    """

    root: Path
    compose: Mapping[str, Any]

    def command(self, service: str) -> list[str]:
        """The command of a service; the paths in it and in the files that it names are on this machine."""
        return [self.mapped(service, word) for word in self.compose["services"][service]["command"]]

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service, from its file and from docker-compose.yml, with paths on this machine."""
        own = self.compose["services"][service]
        variables: dict[str, str] = {}
        if file := own.get("env_file"):
            lines = re.findall(r"^([A-Z_]+)=(.*)$", (self.root / file).read_text(), re.MULTILINE)
            variables |= dict(lines)
        variables |= own["environment"]
        return {name: self.mapped(service, str(value)) for name, value in variables.items()}

    def health_check(self, service: str) -> str:
        """The health check of a service as a line of a shell."""
        kind, *words = self.compose["services"][service]["healthcheck"]["test"]
        assert kind in ("CMD", "CMD-SHELL")
        return " ".join(words)

    def secret(self, name: str) -> Path:
        return self.root / self.compose["secrets"][name]["file"]

    def mapped(self, service: str, text: str) -> str:
        """Text with the paths of a container replaced by those on this machine."""
        places = self._places(service)
        paths = "|".join(map(re.escape, sorted(places, reverse=True)))  # a longer path comes before its parents
        pattern = rf"(?<![\w./-])(?:{paths})(?=[/\s]|$)"
        return re.sub(pattern, lambda match: str(places[match[0]]), text, flags=re.MULTILINE)

    def replace(self, file: str, *pairs: tuple[str, str]) -> None:
        """Replaces texts in a file of the checkout; each must be in it."""
        path = self.root / file
        text = path.read_text()
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new)
        path.write_text(text)

    def _places(self, service: str) -> dict[str, Path]:
        own = self.compose["services"][service]
        places = {
            str(mount.target): self.root / (f"volumes/{mount.source}" if mount.is_volume else mount.source)
            for mount in mounts(self.compose, service)
        }
        for tmpfs in own.get("tmpfs", []):
            path = tmpfs.partition(":")[0]
            places[path] = self.root / "tmpfs" / service / path.strip("/")
        for path in places.values():
            if path.is_relative_to(self.root / "volumes") or path.is_relative_to(self.root / "tmpfs"):
                path.mkdir(parents=True, exist_ok=True)
        return places


def prepare_checkout(root: Path, **variables: str) -> Checkout:
    """Makes a prepared checkout in an empty folder.

    Args:
        root: The folder.
        variables: Variables of docker-compose.yml; the others have their defaults.
    """
    for folder in _FOLDERS:
        shutil.copytree(ROOT / "docker" / folder, root / "docker" / folder)
    for file in ("docker-compose.yml", ".env.example", "docker/prepare.sh"):
        shutil.copy(ROOT / file, root / file)
    subprocess.run(["sh", "docker/prepare.sh"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    checkout = Checkout(root, read_compose(variables))
    for service, folder in (("redis", "redis"), ("prometheus", "prometheus"), ("proxy", "proxy")):
        for file in (root / "docker" / folder).iterdir():
            file.write_text(checkout.mapped(service, file.read_text()))
    return checkout
