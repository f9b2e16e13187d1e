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


@pytest.mark.parametrize("version", [-1, 2])
def test_a_version_of_the_rules_for_queries_that_does_not_exist_is_refused(version: int) -> None:
    with pytest.raises(ValueError, match=r"query_normalizer_version is -?\d; an integer from 0 to 1"):
        recipe_from_dict({"name": "a", "text": {"query_normalizer_version": version}})


def test_an_override_needs_a_value() -> None:
    with pytest.raises(ValueError, match=r"section\.key=value"):
        read_recipe(RECIPES[0], ["optimization.steps"])


@pytest.mark.parametrize("kind", ["compact", "asit", "frame_mobilenet", "pyramid"])
def test_a_tower_is_chosen_by_its_kind_and_survives_a_checkpoint(kind: str) -> None:
    recipe = recipe_from_dict({"name": "a", "audio": {"kind": kind, "dimension": 12}})
    assert (recipe.audio.kind, recipe.audio.dimension) == (kind, 12)
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe


def test_a_tower_without_a_kind_is_compact() -> None:
    assert recipe_from_dict({"name": "a", "audio": {"head_blocks": 2}}).audio == CompactConfig(head_blocks=2)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ({"kind": "vggish"}, "vggish"),
        ({"kind": "asit", "width": 1.0}, "width"),
        ({"kind": "asit", "blocks": "x"}, "blocks"),
    ],
)
def test_a_tower_that_does_not_exist_is_refused_by_name(audio: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe_from_dict({"name": "a", "audio": audio})


def test_cached_maps_need_a_pyramid_tower_whose_trunk_is_frozen() -> None:
    data = {"name": "a", "data": {"cache": "maps"}}
    with pytest.raises(ValueError, match=r"audio\.kind is 'compact'; with data\.cache only 'pyramid'"):
        recipe_from_dict(data)
    with pytest.raises(ValueError, match=r"audio\.frozen_layers is 3; with data\.cache only 17"):
        recipe_from_dict({**data, "audio": {"kind": "pyramid", "frozen_layers": 3}})
    assert recipe_from_dict({**data, "audio": {"kind": "pyramid"}}).data.cache == Path("maps")


def test_a_teacher_needs_a_tower_with_frames_of_40_ms() -> None:
    with pytest.raises(ValueError, match=r"audio\.kind is 'asit'"):
        recipe_from_dict({"name": "a", "audio": {"kind": "asit"}, "teacher": {"folder": "pretrained"}})


def test_a_recipe_overrides_some_values_of_its_base(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('name = "base"\nseed = 1\n[optimization]\nsteps = 5\nbatch = 2\n')
    (tmp_path / "middle.toml").write_text('base = "base.toml"\nname = "middle"\n[optimization]\nbatch = 4\n')
    (tmp_path / "top.toml").write_text('base = "middle.toml"\n[optimization]\nsteps = 6\n')
    recipe = read_recipe(tmp_path / "top.toml", ["seed=2"])
    assert (recipe.name, recipe.seed) == ("middle", 2)
    assert (recipe.optimization.steps, recipe.optimization.batch) == (6, 4)


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ({}, False),
        ({"teacher": {"folder": "a"}}, True),
        ({"teacher": {"folder": "a", "warm_start_steps": 0}}, False),
        ({"teacher": {"folder": "a"}, "start": "b"}, False),
        ({"teacher": {"folder": "a"}, "start": "b", "losses": {"teacher_sigmoid": 0.5}}, True),
    ],
)
def test_the_teachers_scores_are_needed_for_a_warm_start_or_its_loss(values: dict[str, object], needed: bool) -> None:
    assert recipe_from_dict({"name": "a", **values}).needs_teacher_scores == needed


def test_a_compact_tower_has_yamnet_as_its_teacher() -> None:
    with pytest.raises(ValueError, match=r"teacher\.kind is 'mn04'"):
        recipe_from_dict({"name": "a", "teacher": {"kind": "mn04", "folder": "efficientat"}})
    pyramid = {"name": "a", "audio": {"kind": "pyramid"}, "teacher": {"kind": "mn04", "folder": "efficientat"}}
    assert recipe_from_dict(pyramid).teacher.kind == "mn04"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": {"pool": {"scenes": 8, "fresh": 9}}}, "data.pool.fresh is 9; 1 to data.pool.scenes, 8"),
        ({"data": {"pool": {"scenes": 8, "fresh": 0}}}, "data.pool.fresh is 0; 1 to data.pool.scenes, 8"),
        ({"data": {"pool": {"scenes": 80}}, "audio": {"kind": "asit"}}, "audio.kind is 'asit'; with data.pool"),
        (
            {"data": {"pool": {"scenes": 80}, "cache": "a"}, "audio": {"kind": "pyramid"}},
            "with data.sets or data.cache",
        ),
        ({"data": {"pool": {"scenes": 80}}, "losses": {"region_sigmoid": 1.0}}, "losses.region_sigmoid needs captions"),
        ({"data": {"pool": {"scenes": -1}}}, r"scenes=-1.*at least 0 scenes"),
        ({"data": {"pool": {"roll_rate": 1.5}}}, r"roll_rate=1.5.*from 0 to 1"),
        ({"data": {"pool": {"roll_rate": float("nan")}}}, r"roll_rate=nan.*from 0 to 1"),
        ({"optimization": {"equalizer_db": -1.0}, "audio": {"kind": "pyramid"}}, "equalizer_db is -1.0; 0 to 60"),
        (
            {"optimization": {"equalizer_db": float("nan")}, "audio": {"kind": "pyramid"}},
            "equalizer_db is nan; 0 to 60",
        ),
        ({"optimization": {"equalizer_db": 3.0}}, "audio.kind is 'compact'; with optimization.equalizer_db"),
    ],
)
def test_a_pool_or_an_equalizer_that_cannot_be_used_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recipe_from_dict({"name": "a", **values})
