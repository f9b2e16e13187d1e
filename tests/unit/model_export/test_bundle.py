from pathlib import Path

import pytest

from model_export.bundle import check_replaceable
from model_export.errors import FolderIsNoBundle


def test_only_a_bundle_an_empty_folder_or_none_is_replaced(tiny_bundle: Path, tmp_path: Path) -> None:
    check_replaceable(tiny_bundle)
    check_replaceable(tmp_path)
    check_replaceable(tmp_path / "new")
    for name in "dcba":
        (tmp_path / name).touch()
    with pytest.raises(
        FolderIsNoBundle, match=r"holds a, b, c and more, no manifest.json, and would be replaced; a bundle"
    ):
        check_replaceable(tmp_path)
    with pytest.raises(FolderIsNoBundle, match=r"a is no folder and"):
        check_replaceable(tmp_path / "a")
    (tmp_path / "link").symlink_to(tiny_bundle)
    with pytest.raises(FolderIsNoBundle, match=r"link is no folder"):
        check_replaceable(tmp_path / "link")
