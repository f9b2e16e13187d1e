from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.tiny_roberta import build_tiny_roberta
from training.towers.text import SentenceEncoder, TextTowerConfig, build_projection


@pytest.fixture(scope="module")
def tacos(tmp_path_factory: pytest.TempPathFactory) -> TextTowerConfig:
    return TextTowerConfig(
        encoder=str(build_tiny_roberta(tmp_path_factory.mktemp("encoder"))),
        pooling="first",
        trained=True,
        max_tokens=32,
        query_normalization="lowercase_strip_punctuation",
        projection="linear",
        dropout=0.2,
    )


def test_first_pooling_is_the_state_of_the_first_token(tacos: TextTowerConfig) -> None:
    encoder = SentenceEncoder(tacos)
    states = encoder.transformer(*encoder.tokenize(["rain falls", "a dog barks"])).last_hidden_state
    assert torch.equal(encoder.embed(["rain falls", "a dog barks"]), states[:, 0])


def test_mean_pooling_is_the_mean_of_the_tokens_without_padding(tacos: TextTowerConfig) -> None:
    encoder = SentenceEncoder(replace(tacos, pooling="mean"))
    alone = encoder.encode(["rain falls"])
    assert torch.allclose(encoder.encode(["rain falls", "someone is typing on a keyboard"])[:1], alone, atol=1e-5)
    states = encoder.transformer(*encoder.tokenize(["rain falls"])).last_hidden_state[0]
    assert torch.allclose(alone[0], torch.nn.functional.normalize(states.mean(dim=0), dim=-1), atol=1e-5)


def test_case_and_punctuation_have_no_effect_if_they_are_normalized(tacos: TextTowerConfig) -> None:
    sentences = ["Rain falls, on a roof!", "rain falls on a roof"]
    torch.testing.assert_close(
        *SentenceEncoder(tacos).encode(sentences), atol=1e-6, rtol=0
    )  # the rows of a batch may differ by rounding
    as_written = SentenceEncoder(replace(tacos, query_normalization="none"))
    assert not torch.allclose(*as_written.encode(sentences), atol=1e-3)


def test_a_caption_is_normalized_by_the_version_of_the_rules_that_the_service_uses(tacos: TextTowerConfig) -> None:
    captions = ["I can hear rain!", "rain"]
    without, with_rules = (SentenceEncoder(replace(tacos, query_normalizer_version=v)) for v in (0, 1))
    assert [with_rules.normalize(caption) for caption in captions] == ["rain", "rain"]
    torch.testing.assert_close(*with_rules.encode(captions), atol=1e-6, rtol=0)
    assert not torch.allclose(*without.encode(captions), atol=1e-3)


def test_a_caption_is_truncated_to_the_maximum_number_of_tokens(tacos: TextTowerConfig) -> None:
    assert SentenceEncoder(replace(tacos, max_tokens=5)).tokenize(["rain falls on a tin roof " * 9])[0].shape == (1, 5)


@pytest.mark.parametrize("trained", [True, False])
def test_only_a_trained_encoder_gets_a_gradient(tacos: TextTowerConfig, trained: bool) -> None:
    config = replace(tacos, trained=trained)
    encoder = SentenceEncoder(config)
    build_projection(32, 8, config)(encoder.embed(["rain falls"])).sum().backward()
    assert any(p.grad is not None for p in encoder.parameters()) == trained


def test_a_trained_encoder_has_dropout_in_embed_and_none_in_encode(tacos: TextTowerConfig) -> None:
    torch.manual_seed(0)
    encoder = SentenceEncoder(tacos).train()
    assert not torch.equal(encoder.embed(["rain falls"]), encoder.embed(["rain falls"]))
    assert torch.equal(encoder.encode(["rain falls"]), encoder.encode(["rain falls"]))
    assert encoder.training


def test_a_linear_projection_is_an_affine_map_and_a_norm(tacos: TextTowerConfig) -> None:
    projection = build_projection(2, 2, tacos)
    projection.load_state_dict({"weight": torch.tensor([[2.0, 0.0], [0.0, 1.0]]), "bias": torch.tensor([0.0, 1.0])})
    assert torch.allclose(projection(torch.tensor([[3.0, 7.0]])), torch.tensor([[0.6, 0.8]]))


def test_a_frozen_encoder_keeps_its_embeddings_in_a_file_and_a_trained_one_does_not(
    tacos: TextTowerConfig, tmp_path: Path
) -> None:
    cached = replace(tacos, trained=False, cache=tmp_path / "sentences.pt")
    texts = ["rain falls", "a dog barks"]
    expected = SentenceEncoder(replace(tacos, trained=False)).encode(texts)
    first, second = (SentenceEncoder(cached) for _ in range(2))
    torch.testing.assert_close(first.encode(texts), expected)
    second.forward = None  # pyright: ignore[reportAttributeAccessIssue] - nothing is left to encode
    torch.testing.assert_close(second.encode(texts[::-1]), expected.flip(0))
    SentenceEncoder(replace(tacos, cache=tmp_path / "other.pt")).encode(texts)
    assert not (tmp_path / "other.pt").exists()
