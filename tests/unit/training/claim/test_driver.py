import json

import pytest
import torch

from training.checkpoint import CHECKPOINT, read_checkpoint
from training.claim.design import RATES, TUNING_SEED, Condition, plan, tuning_plans
from training.claim.driver import CRITERION, FIGURES, REPORTED, TUNING, Comparison, criterion


def test_a_variant_runs_from_end_to_end_with_its_first_stage(finished: Comparison) -> None:
    rates = finished.rates("both")
    assert set(rates) == {"global", "both"}
    run = plan("both", Condition(1), rates)
    assert run.start is not None
    recipe = read_checkpoint(finished.out / run.name / CHECKPOINT)["recipe"]
    assert recipe["start"] == str(finished.out / run.start.name / CHECKPOINT)
    assert (recipe["seed"], recipe["losses"]["region_contrastive"], recipe["losses"]["clip_contrastive"]) == (1, 1, 0)
    first = read_checkpoint(finished.out / run.start.name / CHECKPOINT)
    assert first["recipe"]["losses"]["clip_contrastive"] == 1
    figures = finished.finished(run, REPORTED)
    assert figures is not None
    assert set(figures) == set(REPORTED)


def test_the_learning_rate_with_the_highest_criterion_is_chosen(finished: Comparison) -> None:
    by_rate = {}
    for run in tuning_plans("global", {}):
        figures = finished.finished(run, TUNING)
        assert figures is not None
        by_rate[run.rate] = criterion(figures)
    assert set(by_rate) == set(RATES)
    assert by_rate[finished.rates("global")["global"]] == max(by_rate.values())
    assert criterion(
        {name: {CRITERION: value} for name, value in zip(TUNING, (0.2, 0.4), strict=True)}
    ) == pytest.approx(0.3)


def test_no_recording_of_the_benchmarks_and_of_the_tuning_split_is_trained_on(finished: Comparison) -> None:
    run = plan("global", Condition(1), {"global": 1e-3})
    assert finished.recipe(run).data.folder == finished.pack
    assert finished.recipe(run).data.cache == finished.maps


def test_finished_work_is_not_repeated(finished: Comparison) -> None:
    files = sorted(file for file in finished.out.rglob("*") if file.is_file() and "tfevents" not in file.name)
    before = {file: file.stat().st_mtime_ns for file in files}
    Comparison(finished.data, finished.out, finished.overrides, finished.size).run("both", Condition(1))
    assert {file: file.stat().st_mtime_ns for file in files} == before


def test_lost_figures_are_measured_again_without_training(finished: Comparison) -> None:
    run = plan("both", Condition(1), finished.rates("both"))
    file, checkpoint = finished.out / run.name / FIGURES, finished.out / run.name / CHECKPOINT
    before, weights = json.loads(file.read_text()), read_checkpoint(checkpoint)["average"]
    file.unlink()
    assert finished.finished(run, REPORTED) is None
    assert finished.run("both", Condition(1)) == before
    after = read_checkpoint(checkpoint)["average"]
    assert all(torch.equal(after[name], value) for name, value in weights.items())


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_condition_changes_the_recipe(finished: Comparison, share: float) -> None:
    recipe = finished.recipe(plan("global", Condition(TUNING_SEED, length=2.0, share=share), {"global": 3e-4}))
    assert recipe.data.recaption.ambience_rate == share
    assert (recipe.seed, recipe.optimization.steps, recipe.optimization.learning_rate) == (TUNING_SEED, 4, 3e-4)
