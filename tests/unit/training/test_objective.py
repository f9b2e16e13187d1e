from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from training.caption_embedding import CaptionEmbedder
from training.data.scene_batch import SceneBatch
from training.model import LanguageAudioModel
from training.objective import Objective
from training.recipe import Recipe, read_recipe
from training.source import scene_source
from training.synthesis.absent import AbsentCaptions, AbsentDraw
from training.synthesis.scene_source import SceneSource
from training.towers.text import SentenceEncoder, TextTowerConfig

OFF = ("label_sigmoid", "label_contrastive")


def recipe_with(pack: Path, **weights: float) -> Recipe:
    overrides = [f"losses.{name}={value}" for name, value in (dict.fromkeys(OFF, 0.0) | weights).items()]
    return read_recipe(Path("training/recipes/tiny.toml"), [f"data.folder={pack}", *overrides])


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(TextTowerConfig())


@pytest.fixture(scope="module")
def source(tiny_pack: Path, encoder: SentenceEncoder) -> SceneSource:
    return scene_source(recipe_with(tiny_pack, label_sigmoid=1.0), encoder)


@pytest.fixture(scope="module")
def batch(source: SceneSource) -> SceneBatch:
    return source.batches(4, 1)[0]


def make_objective(recipe: Recipe, source: SceneSource, encoder: SentenceEncoder) -> Objective:
    torch.manual_seed(0)
    model = LanguageAudioModel(recipe, encoder)
    vocabulary = source.vocabulary
    captions = CaptionEmbedder(model, encoder, vocabulary.bank, recipe.optimization.sentence_noise)
    return Objective(model, captions, vocabulary, recipe)


def compute_losses(objective: Objective, batch: SceneBatch) -> dict[str, float]:
    torch.manual_seed(1)
    return {name: float(loss.detach()) for name, loss in objective.compute_losses(batch, step=0).items()}


@pytest.mark.parametrize(
    "weights",
    [
        {"label_sigmoid": 1.0, "label_contrastive": 0.5, "label_overlap": 4.0},
        {"clip_contrastive": 1.0},
        {"region_contrastive": 1.0},
        {"region_sigmoid": 1.0},
        {"clip_contrastive": 0.5, "region_contrastive": 2.0, "region_sigmoid": 1.0, "label_overlap": 1.0},
    ],
    ids="+".join,
)
def test_only_losses_of_positive_weight_are_computed(
    weights: dict[str, float], tiny_pack: Path, source: SceneSource, encoder: SentenceEncoder, batch: SceneBatch
) -> None:
    objective = make_objective(recipe_with(tiny_pack, **weights), source, encoder)
    losses = compute_losses(objective, batch)
    assert losses.keys() == weights.keys()
    assert all(value > 0 for value in losses.values())
    total = objective.weighted_sum({name: torch.tensor(value) for name, value in losses.items()})
    assert float(total) == pytest.approx(sum(weights[name] * value for name, value in losses.items()))


def test_the_text_tower_embeds_only_the_captions_that_enabled_losses_need(
    tiny_pack: Path, source: SceneSource, encoder: SentenceEncoder, batch: SceneBatch
) -> None:
    embedded: list[int] = []
    objective = make_objective(recipe_with(tiny_pack, region_contrastive=1.0), source, encoder)
    objective.model.projection.register_forward_hook(lambda _module, inputs, _output: embedded.append(len(inputs[0])))
    compute_losses(objective, batch)
    assert embedded == [len({event.text for event in batch.events})]


def test_a_model_predicts_scale_and_bias_of_a_query_only_if_the_recipe_says_so(
    tiny_pack: Path, source: SceneSource, encoder: SentenceEncoder, batch: SceneBatch
) -> None:
    shared = recipe_with(tiny_pack, region_sigmoid=1.0)
    assert make_objective(shared, source, encoder).model.own_sigmoid is None
    text_dependent = read_recipe(
        Path("training/recipes/tiny.toml"),
        [f"data.folder={tiny_pack}", "text.own_sigmoid=true", "losses.region_sigmoid=1.0"],
    )
    model = make_objective(text_dependent, source, encoder).model
    queries = model.projection(source.vocabulary.bank.sentences[[0, 1, 2]])
    similarity = torch.tensor([[0.5, 0.8, -0.1]])
    torch.testing.assert_close(model.logits(similarity, queries), 10 * similarity - 8)


def test_a_data_set_has_no_labels_for_the_label_losses(tiny_pack: Path) -> None:
    sets: Any = f"data.sets=[{{name='pack', folder='{tiny_pack}'}}]"
    with pytest.raises(ValueError, match=r"losses.label_sigmoid needs scenes"):
        read_recipe(Path("training/recipes/tiny.toml"), [sets])


@pytest.mark.parametrize("losses", [{}, {"clip_contrastive": -1.0}, {"clip_contrastive": 1.0, "temperature": 0.0}])
def test_a_recipe_has_at_least_one_loss_of_positive_weight_and_a_positive_temperature(
    tiny_pack: Path, losses: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="weights of at least 0, at least one weight above 0"):
        recipe_with(tiny_pack, **losses)


def test_scenes_without_a_sound_have_losses_of_zero(
    tiny_pack: Path, source: SceneSource, encoder: SentenceEncoder, batch: SceneBatch
) -> None:
    weights = dict.fromkeys(("clip_contrastive", "region_contrastive", "region_sigmoid"), 1.0)
    objective = make_objective(recipe_with(tiny_pack, **weights), source, encoder)
    silent = replace(batch, captions=(), events=())
    assert compute_losses(objective, silent) == dict.fromkeys(weights, 0.0)


def test_the_teachers_loss_needs_a_teacher() -> None:
    with pytest.raises(ValueError, match=r"set teacher.folder"):
        read_recipe(Path("training/recipes/tiny.toml"), ["losses.teacher_sigmoid=0.5"])


def test_absent_captions_raise_the_label_losses_and_only_where_they_are_known_to_be_false(
    tiny_pack: Path, source: SceneSource, encoder: SentenceEncoder, batch: SceneBatch
) -> None:
    sentences = encoder.encode(["a siren wails", "a crowd cheers"])
    losses = dict[str, dict[str, float]]()
    for name, may_be in (("none", None), ("false", False), ("unknown", True)):
        objective = make_objective(recipe_with(tiny_pack, label_sigmoid=1.0, label_contrastive=1.0), source, encoder)
        objective = replace(objective, embedder=replace(objective.embedder, sentence_noise=0.0))
        objective.model.eval()  # without dropout, whose draws depend on the number of captions
        if may_be is not None:
            kind = AbsentDraw(sentences, torch.full((2, len(source.vocabulary.labels)), may_be))
            absent = AbsentCaptions((kind,), 3)
            objective = replace(objective, vocabulary=replace(source.vocabulary, absent=absent))
        losses[name] = compute_losses(objective, batch)
    for loss in ("label_sigmoid", "label_contrastive"):
        assert losses["false"][loss] > losses["none"][loss]
    assert losses["none"]["label_sigmoid"] < losses["unknown"]["label_sigmoid"] < losses["false"]["label_sigmoid"]
    assert losses["none"]["label_contrastive"] == pytest.approx(losses["unknown"]["label_contrastive"], rel=0.01)
