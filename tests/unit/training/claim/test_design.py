import pytest

from training.claim.design import RATES, TUNING_SEED, VARIANTS, Condition, plan, tuning_plans
from training.recipe import read_recipe

CHOSEN = dict.fromkeys(VARIANTS, 1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_variants_take_the_same_number_of_steps_on_the_same_scenes(variant: str) -> None:
    run = plan(variant, Condition(3, length=2.0, share=0.5), CHOSEN)
    assert (run.seed, run.share) == (3, 0.5)
    stages = [run] if run.start is None else [run.start, run]
    steps = [read_recipe(stage.recipe).optimization.steps * stage.length for stage in stages]
    assert sum(steps) == 2 * read_recipe(plan("global", Condition(3), CHOSEN).recipe).optimization.steps
    assert {(stage.seed, stage.share) for stage in stages} == {(3, 0.5)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_learning_rates_are_chosen_by_equally_long_runs_of_a_seed_of_their_own(variant: str) -> None:
    runs = tuning_plans(variant, {"global": 3e-4} if variant == "both" else {})
    assert [run.rate for run in runs] == list(RATES)
    assert {run.seed for run in runs} == {TUNING_SEED}
    steps = {read_recipe(run.recipe).optimization.steps * run.length for run in runs}
    assert steps == {read_recipe(runs[0].recipe).optimization.steps / (1 if variant == "both" else 2)}


def test_the_first_stage_of_both_is_the_shorter_run_of_global() -> None:
    run = plan("both", Condition(1), {"global": 3e-3, "both": 1e-3})
    assert run.start == plan("global", Condition(1, length=0.5), {"global": 3e-3})
    assert run.name == "both_rate0.001_after0.003_length1_share1_seed1"


def test_runs_that_differ_have_different_names() -> None:
    rates = ({"global": 1e-3, "both": 1e-3}, {"global": 3e-3, "both": 1e-3}, {"global": 1e-3, "both": 3e-3})
    conditions = (Condition(1), Condition(2), Condition(1, length=0.5), Condition(1, share=0.5))
    names = {plan("both", condition, chosen).name for condition in conditions for chosen in rates}
    assert len(names) == 12
