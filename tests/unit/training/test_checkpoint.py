from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from service.core.manifest import AUDIO_GRAPH, TEXT_GRAPH
from tests.tiny_bundle import sign_bundle
from training.checkpoint import Run, bundle_weights, load_checkpoint, read_checkpoint, starting_weights
from training.model import LanguageAudioModel
from training.optimization import make_optimizer
from training.recipe import Recipe, read_recipe
from training.towers.text import SentenceEncoder

RECIPE = read_recipe(Path("training/recipes/tiny.toml"))


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(RECIPE.text)


def make_run(encoder: SentenceEncoder, seed: int, recipe: Recipe = RECIPE) -> Run:
    """A run at random, after one step of its optimizer."""
    torch.manual_seed(seed)
    model, average = (LanguageAudioModel(recipe, encoder) for _ in range(2))
    run = Run(
        model, average, make_optimizer(model, recipe.optimization), GradScaler("cpu", init_scale=2.0 ** (8 + seed))
    )
    run.scaler.scale(model.bias**2).backward()
    run.scaler.step(run.optimizer)
    run.step, run.best = 7 + seed, 0.25
    return run


def states_are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(states_are_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(states_are_equal, one, other))
    return one == other


def test_a_run_continues_with_the_state_that_was_saved(encoder: SentenceEncoder, tmp_path: Path) -> None:
    saved, resumed = make_run(encoder, seed=0), make_run(encoder, seed=1)
    saved.save(tmp_path / "checkpoint.pt", RECIPE)
    resumed.resume(tmp_path / "checkpoint.pt", RECIPE)
    for name in ("model", "average", "optimizer", "scaler"):
        assert states_are_equal(getattr(saved, name).state_dict(), getattr(resumed, name).state_dict()), name
    assert (resumed.step, resumed.best) == (7, 0.25)


def test_without_a_checkpoint_a_run_stays_as_it_is(encoder: SentenceEncoder, tmp_path: Path) -> None:
    run = make_run(encoder, seed=1)
    run.resume(tmp_path / "checkpoint.pt", RECIPE)
    assert run.step == 8


def test_a_checkpoint_of_another_recipe_is_refused(encoder: SentenceEncoder, tmp_path: Path) -> None:
    make_run(encoder, seed=0).save(tmp_path / "checkpoint.pt", replace(RECIPE, seed=9))
    with pytest.raises(ValueError, match=r"checkpoint\.pt was made with another recipe"):
        make_run(encoder, seed=0).resume(tmp_path / "checkpoint.pt", RECIPE)


def test_only_a_better_score_is_kept(encoder: SentenceEncoder, tmp_path: Path) -> None:
    run, file = make_run(encoder, seed=0), tmp_path / "best.pt"
    run.keep_if_best(0.25, file, RECIPE)
    assert not file.exists()
    run.keep_if_best(0.3, file, RECIPE)
    run.keep_if_best(0.2, file, RECIPE)
    assert read_checkpoint(file)["best"] == run.best == 0.3


def test_a_checkpoint_replaces_the_last_one_and_leaves_nothing_beside_it(
    encoder: SentenceEncoder, tmp_path: Path
) -> None:
    run = make_run(encoder, seed=0)
    for step in (1, 2):
        run.step = step
        run.save(tmp_path / "checkpoint.pt", RECIPE)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]
    checkpoint = read_checkpoint(tmp_path / "checkpoint.pt")
    assert checkpoint["step"] == 2
    assert checkpoint["recipe"]["name"] == "tiny"
    assert checkpoint["commit"]


def test_a_loaded_model_has_the_averaged_weights(encoder: SentenceEncoder, tmp_path: Path) -> None:
    run = make_run(encoder, seed=0)
    run.save(tmp_path / "checkpoint.pt", RECIPE)
    model, _, recipe = load_checkpoint(tmp_path / "checkpoint.pt")
    assert states_are_equal(model.state_dict(), run.average.state_dict())
    assert not states_are_equal(model.state_dict(), run.model.state_dict())
    assert not model.training
    assert (recipe.name, recipe.audio, recipe.text) == (RECIPE.name, RECIPE.audio, RECIPE.text)


def test_a_checkpoint_with_training_options_of_another_version_loads(encoder: SentenceEncoder, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    make_run(encoder, seed=0).save(file, RECIPE)
    checkpoint = read_checkpoint(file)
    checkpoint["recipe"] |= {"losses": {"unknown": 1.0}, "optimization": {"unknown": 1}, "unknown": {}}
    torch.save(checkpoint, file)
    assert load_checkpoint(file)[2].name == "tiny"


def test_a_run_can_start_from_the_averaged_weights_of_a_checkpoint(encoder: SentenceEncoder, tmp_path: Path) -> None:
    run = make_run(encoder, seed=0)
    run.save(tmp_path / "checkpoint.pt", RECIPE)
    assert states_are_equal(starting_weights(tmp_path / "checkpoint.pt", run.model), dict(run.average.state_dict()))


def test_a_run_with_a_shared_sigmoid_can_start_from_a_run_with_a_sigmoid_for_each_text(
    encoder: SentenceEncoder, tmp_path: Path
) -> None:
    own = make_run(encoder, seed=0, recipe=replace(RECIPE, text=replace(RECIPE.text, own_sigmoid=True)))
    own.save(tmp_path / "checkpoint.pt", RECIPE)
    shared = make_run(encoder, seed=1).average
    weights = starting_weights(tmp_path / "checkpoint.pt", shared)
    shared.load_state_dict(weights)
    assert not any(name.startswith("own_sigmoid.") for name in weights)
    assert torch.equal(weights["audio.output.weight"], own.average.state_dict()["audio.output.weight"])
    assert shared.centre is not None


class TinyModel(nn.Module):
    """The parameters of a model that a bundle stores in each of its ways."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale, self.bias = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(0.0))
        self.audio = nn.ParameterDict({name: torch.zeros(2, 3) for name in ("plain", "rounded", "turned")})
        self.projection = nn.ParameterDict({"quantized": torch.zeros(2, 3)})


def write_graph(file: Path, weights: dict[str, NDArray[np.generic]]) -> None:
    graph = helper.make_graph([], "weights", [], [], [numpy_helper.from_array(v, name) for name, v in weights.items()])
    onnx.save(helper.make_model(graph), file)


@pytest.fixture
def bundle(tiny_bundle_copy: Path) -> Path:
    """A bundle whose graphs hold the parameters of `TinyModel` and nothing else."""
    values = np.array([[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]], np.float32)
    audio = {
        "plain": values,
        "rounded_half": values.astype(np.float16),
        "turned_Transposed": np.ascontiguousarray(values.T),
    }
    text = {"quantized_quantized": (2 * values).astype(np.int8), "quantized_scale": np.array(0.5, np.float32)}
    write_graph(tiny_bundle_copy / AUDIO_GRAPH, {f"model.audio.{name}": value for name, value in audio.items()})
    write_graph(tiny_bundle_copy / TEXT_GRAPH, {f"model.projection.{name}": value for name, value in text.items()})
    sign_bundle(tiny_bundle_copy, scale=20.0, bias=-10.0)
    return tiny_bundle_copy


def test_weights_of_a_bundle_are_the_same_however_they_are_stored(bundle: Path) -> None:
    model: Any = TinyModel()
    state = starting_weights(bundle, model)
    for name in ("audio.plain", "audio.rounded", "audio.turned", "projection.quantized"):
        assert state[name].tolist() == [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]], name
    assert float(state["log_scale"].exp()) == pytest.approx(20.0)
    assert float(state["bias"]) == -10.0
    model.load_state_dict(state)


def test_a_bundle_without_a_weight_of_the_model_is_refused(bundle: Path) -> None:
    model: Any = TinyModel()
    model.audio["missing"] = torch.zeros(4)
    with pytest.raises(ValueError, match=r"has no weight for audio\.missing; \(4,\) is expected"):
        bundle_weights(bundle, model)


def test_a_bundle_with_a_weight_of_another_shape_is_refused(bundle: Path) -> None:
    model: Any = TinyModel()
    model.audio["plain"] = torch.zeros(3, 3)
    with pytest.raises(ValueError, match=r"a weight of shape \(2, 3\) for audio\.plain; \(3, 3\) is expected"):
        bundle_weights(bundle, model)
