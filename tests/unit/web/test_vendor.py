import hashlib
from dataclasses import replace

import pytest

from service.web.vendor import FOLDER, Package, read_pins, unpack
from tests.unit.web.archives import archive_of

PACKAGES = read_pins()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_committed_files_are_those_of_the_pinned_packages(package: Package) -> None:
    for path, sha256 in package.files.items():
        file = package.folder / path.rsplit("/")[-1]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def test_no_other_file_is_among_the_libraries() -> None:
    pinned = {package.folder / path.rsplit("/")[-1] for package in PACKAGES for path in package.files}
    assert {path for path in FOLDER.rglob("*") if path.is_file()} == pinned


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_each_library_comes_with_its_licence(package: Package) -> None:
    assert "LICENSE" in package.files
    assert package.licence in ("BSD-3-Clause", "MIT", "MPL-2.0")


def test_a_package_is_unpacked_if_its_checksums_are_those_of_the_pins() -> None:
    archive, package = archive_of(
        {"LICENSE": b"free", "dist/a.js": b"let a;", "dist/b.js": b"let b;"}, ["LICENSE", "dist/a.js"]
    )
    assert unpack(package, archive) == {"LICENSE": b"free", "a.js": b"let a;"}


def test_an_archive_or_a_file_with_another_checksum_is_refused() -> None:
    archive, package = archive_of({"LICENSE": b"free"}, ["LICENSE"])
    with pytest.raises(ValueError, match="checksum"):
        unpack(package, archive + b" ")
    with pytest.raises(ValueError, match="checksum"):
        unpack(replace(package, files={"LICENSE": "0" * 64}), archive)
