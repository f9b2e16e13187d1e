from pathlib import Path

import pytest

from training.recipe import read_recipe, recipe_from_dict, recipe_to_dict
from training.towers.compact import CompactConfig

RECIPES = sorted(Path("training/recipes").glob("*.toml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_every_recipe_is_valid_and_survives_a_checkpoint(file: Path) -> None:
    recipe = read_recipe(file)
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe


def test_overrides_are_typed() -> None:
    recipe = read_recipe(RECIPES[0], ["optimization.steps=7", "data.folder=/a/b", "scenes.snr_db=[1.0, 2.0]"])
    assert (recipe.optimization.steps, recipe.data.folder, recipe.scenes.snr_db) == (7, Path("/a/b"), (1.0, 2.0))


@pytest.mark.parametrize("override", ["optimization.stepz=7", "scenes.augmentation.sped=1", "optimization.steps=many"])
def test_a_wrong_override_is_refused_by_name(override: str) -> None:
    with pytest.raises(ValueError, match=override.split("=")[0].split(".")[-1]):
        read_recipe(RECIPES[0], [override])


def test_an_override_needs_a_value() -> None:
    with pytest.raises(ValueError, match=r"section\.key=value"):
        read_recipe(RECIPES[0], ["optimization.steps"])


@pytest.mark.parametrize("kind", ["compact", "asit", "frame_mobilenet"])
def test_a_tower_is_chosen_by_its_kind_and_survives_a_checkpoint(kind: str) -> None:
    recipe = recipe_from_dict({"name": "a", "audio": {"kind": kind, "dimension": 12}})
    assert (recipe.audio.kind, recipe.audio.dimension) == (kind, 12)
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe


def test_a_tower_without_a_kind_is_compact() -> None:
    assert recipe_from_dict({"name": "a", "audio": {"head_blocks": 2}}).audio == CompactConfig(head_blocks=2)


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        ({"kind": "vggish"}, "vggish"),
        ({"kind": "asit", "width": 1.0}, "width"),
        ({"kind": "asit", "blocks": "x"}, "blocks"),
    ],
)
def test_a_tower_that_is_not_there_is_refused_by_name(audio: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        recipe_from_dict({"name": "a", "audio": audio})


def test_a_teacher_teaches_the_compact_tower_only() -> None:
    with pytest.raises(ValueError, match=r"audio\.kind is 'asit'"):
        recipe_from_dict({"name": "a", "audio": {"kind": "asit"}, "teacher": {"folder": "pretrained"}})
