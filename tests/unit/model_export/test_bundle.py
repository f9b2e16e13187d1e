from pathlib import Path
from typing import Any

import pytest

from model_export.bundle import check_replaceable, licences
from model_export.errors import FolderIsNoBundle
from service.core.manifest import verify_bundle
from training.recipe import read_recipe, recipe_from_dict


def test_only_a_bundle_an_empty_folder_or_none_is_replaced(tiny_bundle: Path, tmp_path: Path) -> None:
    check_replaceable(tiny_bundle)
    check_replaceable(tmp_path)
    check_replaceable(tmp_path / "new")
    for name in "dcba":
        (tmp_path / name).touch()
    with pytest.raises(
        FolderIsNoBundle,
        match=r"holds a, b, c and more, no manifest.json, and would be replaced; accepted: the folder of a bundle",
    ):
        check_replaceable(tmp_path)
    with pytest.raises(FolderIsNoBundle, match=r"a is a file and"):
        check_replaceable(tmp_path / "a")
    (tmp_path / "link").symlink_to(tiny_bundle)
    with pytest.raises(FolderIsNoBundle, match=r"link is a link and"):
        check_replaceable(tmp_path / "link")


@pytest.mark.parametrize(
    ("recipe", "public"),
    [
        ({}, []),
        ({"audio": {"kind": "asit"}}, []),
        ({"audio": {"kind": "frame_mobilenet"}}, []),
        ({"teacher": {"folder": "pretrained"}}, ["YAMNet"]),
        ({"start": "service/bundle"}, ["YAMNet"]),
        ({"audio": {"kind": "asit", "pretrained": "asit.pt"}}, ["ASiT"]),
        ({"audio": {"kind": "frame_mobilenet"}, "start": "runs/first/checkpoint.pt"}, ["EfficientSED"]),
    ],
)
def test_the_licence_of_public_weights_is_listed_if_the_tower_started_from_them(
    recipe: dict[str, Any], public: list[str]
) -> None:
    model, *audio, text = licences(recipe_from_dict({"name": "any", **recipe}))
    assert (model, text.split(",")[0]) == ("Apache-2.0: this model", "Apache-2.0: all-MiniLM-L6-v2")
    assert [name for name in ("YAMNet", "ASiT", "EfficientSED") if name in "".join(audio)] == public


def test_the_manifest_of_the_packaged_model_has_the_licences_of_its_recipe() -> None:
    manifest = verify_bundle(Path("service/bundle"))
    assert licences(read_recipe(Path("training/recipes/pyramid_shared.toml"))) == manifest.licences
