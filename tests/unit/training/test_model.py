from pathlib import Path

import numpy as np
import pytest
import torch

from service.core.scoring import UNCALIBRATED, EncodedQueries, score
from tests.tiny_roberta import build_tiny_roberta
from training.checkpoint import load_checkpoint
from training.model import LanguageAudioModel, TextDependentSigmoid
from training.optimization import make_optimizer
from training.recipe import Recipe, recipe_from_dict, recipe_to_dict
from training.towers.text import SentenceEncoder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_roberta(tmp_path_factory.mktemp("encoder"))


def make_recipe(roberta: Path, *, trained: bool = True, centred: bool = False) -> Recipe:
    return recipe_from_dict(
        {
            "name": "tiny",
            "centred": centred,
            "audio": {"kind": "frame_mobilenet", "width": 0.4, "dimension": 8},
            "text": {"encoder": str(roberta), "trained": trained, "projection": "linear"},
        }
    )


@pytest.mark.parametrize("centred", [True, False])
@torch.inference_mode()
def test_served_embeddings_have_one_more_channel_only_if_the_model_is_centred(roberta: Path, centred: bool) -> None:
    recipe = make_recipe(roberta, centred=centred)
    encoder = SentenceEncoder(recipe.text)
    model = LanguageAudioModel(recipe, encoder).eval()
    frames, queries = model.served_frames(torch.randn(1, 6400)), model.served_queries(encoder.encode(["rain"]))
    assert frames.shape[2] == queries.shape[1] == model.dimension == 8 + centred
    for embedding in (*frames[0], *queries):
        assert float(embedding.norm()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("trained", [True, False])
def test_a_checkpoint_holds_an_encoder_that_was_trained(roberta: Path, tmp_path: Path, trained: bool) -> None:
    recipe = make_recipe(roberta, trained=trained)
    encoder = SentenceEncoder(recipe.text)
    model = LanguageAudioModel(recipe, encoder)
    with torch.no_grad():
        next(encoder.parameters()).add_(1.0)
    average = model.state_dict()
    torch.save({"recipe": recipe_to_dict(recipe), "average": average}, tmp_path / "checkpoint.pt")
    _, loaded, _ = load_checkpoint(tmp_path / "checkpoint.pt")
    assert any(name.startswith("encoder.") for name in average) == trained
    assert torch.equal(next(loaded.parameters()), next(encoder.parameters())) == trained


def test_pretrained_parameters_have_a_lower_learning_rate(roberta: Path) -> None:
    recipe = make_recipe(roberta)
    model = LanguageAudioModel(recipe, SentenceEncoder(recipe.text))
    factors = {id(p): g["factor"] for g in make_optimizer(model, recipe.optimization).param_groups for p in g["params"]}
    by_name = {name: factors[id(parameter)] for name, parameter in model.named_parameters()}
    slow = {name for name, factor in by_name.items() if factor == recipe.optimization.trunk_factor}
    assert slow == {name for name in by_name if name.startswith(("audio.model.", "encoder."))}


def test_the_sigmoid_of_a_text_begins_at_10_and_minus_8() -> None:
    scale, bias = TextDependentSigmoid(4)(torch.randn(3, 4))
    assert scale.tolist() == pytest.approx([10.0] * 3)
    assert bias.tolist() == pytest.approx([-8.0] * 3)


def test_scores_have_the_scale_and_the_bias_of_the_text() -> None:
    sigmoid = TextDependentSigmoid(2)
    with torch.no_grad():
        sigmoid.bias.weight[:] = torch.tensor([[4.0, 0.0]])
    queries = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # biases -8 and -4
    encoded = EncodedQueries(queries.numpy(), sigmoid.stacked(queries).detach().numpy())
    scores = score(encoded.evidence(np.float32([[0, 1], [0, 1]])), UNCALIBRATED)
    prior, likely = torch.sigmoid(torch.tensor([-8.0, -4.0])), torch.sigmoid(torch.tensor([2.0, 6.0]))
    assert scores[:, 0].tolist() == pytest.approx(prior.tolist(), rel=1e-4)  # at similarity 0, each query has its prior
    assert scores[:, 1].tolist() == pytest.approx(likely.tolist())
