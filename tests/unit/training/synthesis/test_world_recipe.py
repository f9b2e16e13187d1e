import pytest

from training.recipe import recipe_from_dict, recipe_to_dict
from training.synthesis.world_recipe import WorldRecipe


@pytest.mark.parametrize(
    ("values", "message"),
    [({"rival_rate": 1.5}, "rival_rate is 1.5"), ({"plain_rate": 0.9, "sparse_rate": 0.2}, "add up to")],
)
def test_impossible_rates_are_refused_by_name(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WorldRecipe(**values)


def test_a_recipe_without_the_table_has_plain_scenes_and_one_with_it_survives_a_checkpoint() -> None:
    assert recipe_from_dict({"name": "a"}).scenes.world is None
    recipe = recipe_from_dict({"name": "a", "scenes": {"world": {"channel": {"low_pass_rate": 0.5}}}})
    assert recipe.scenes.world is not None
    assert recipe.scenes.world.channel.low_pass_rate == 0.5
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe
