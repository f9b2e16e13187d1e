"""Downloads the JavaScript libraries of the page, in the versions and with the checksums of `vendor.json`.

Run `python -m service.web.vendor` after a change of a version in `vendor.json`. The libraries are committed, so neither
the service nor the tests need the registry of npm.
"""

import base64
import hashlib
import io
import json
import shutil
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("vendor.json")
FOLDER = Path(__file__).parent / "static" / "vendor"
_URL = "https://registry.npmjs.org/{name}/-/{name}-{version}.tgz"
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Package:
    """A package of npm, pinned.

    Attributes:
        name: Name in the registry.
        version: Exact version.
        licence: SPDX identifier of the licence, whose text is among the files.
        integrity: Checksum of the archive as npm writes it: `sha512-` and base64.
        files: Path in the archive of each file that the page uses, and the SHA-256 of the file.
    """

    name: str
    version: str
    licence: str
    integrity: str
    files: dict[str, str]

    @property
    def folder(self) -> Path:
        """Where the files are: the name contains the version, so browsers can keep the files for ever."""
        return FOLDER / f"{self.name.removesuffix('.js')}-{self.version}"


def read_pins(path: Path = PINS) -> list[Package]:
    """Reads the pinned packages."""
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Package(**entry) for entry in entries]


def unpack(package: Package, archive: bytes) -> dict[str, bytes]:
    """Takes the files of a package from its archive.

    Returns:
        The content of each file, by file name.

    Raises:
        ValueError: If a checksum differs.
    """
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    _check(f"{package.name} {package.version}", f"sha512-{digest}", package.integrity)
    contents: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for path, sha256 in package.files.items():
            member = tar.extractfile(f"package/{path}")
            content = member.read() if member else b""
            _check(f"{path} of {package.name}", hashlib.sha256(content).hexdigest(), sha256)
            contents[Path(path).name] = content
    return contents


def _check(what: str, received: str, pinned: str) -> None:
    if received != pinned:
        raise ValueError(f"{what} has the checksum {received}; vendor.json pins {pinned}")


def main() -> None:
    """Replaces the folder of libraries by the pinned files."""
    fetched: dict[Path, bytes] = {}
    for package in read_pins():
        url = _URL.format(name=package.name, version=package.version)
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            contents = unpack(package, answer.read())
        fetched |= {package.folder / name: content for name, content in contents.items()}
    shutil.rmtree(FOLDER, ignore_errors=True)
    for path, content in fetched.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
