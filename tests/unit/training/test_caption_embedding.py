from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny_roberta import build_tiny_roberta
from training.caption_embedding import CaptionEmbedder
from training.model import LanguageAudioModel
from training.processes import Processes
from training.recipe import recipe_from_dict
from training.synthesis.caption_bank import CaptionBank
from training.towers.text import SentenceEncoder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_roberta(tmp_path_factory.mktemp("encoder"))


def make_embedder(
    roberta: Path,
    *,
    trained: bool = False,
    label_captions: CaptionBank | None = None,
    noise: float = 0.0,
    processes: Processes | None = None,
) -> CaptionEmbedder:
    """An embedder whose projection to two channels keeps the first two channels of a sentence embedding."""
    text = {"encoder": str(roberta), "trained": trained, "projection": "linear", "dropout": 0.0}
    recipe = recipe_from_dict({"name": "tiny", "audio": {"width": 0.125, "dimension": 2}, "text": text})
    encoder = SentenceEncoder(recipe.text)
    model = LanguageAudioModel(recipe, encoder)
    model.projection.load_state_dict({"weight": torch.eye(2, encoder.channels), "bias": torch.zeros(2)})
    return CaptionEmbedder(model, encoder, label_captions, noise, processes or Processes())


def count_encoded(encoder: SentenceEncoder) -> list[int]:
    """A list to which every pass of the encoder appends the number of its captions."""
    counts: list[int] = []
    encoder.register_forward_hook(lambda _module, inputs, _output: counts.append(len(inputs[0])))
    return counts


def sentence(*channels: float) -> Tensor:
    return torch.nn.functional.pad(torch.tensor([channels]), (0, 32 - len(channels)))


def test_a_sentence_is_normalized_and_projected(roberta: Path) -> None:
    embedder = make_embedder(roberta)
    sentences = torch.cat([sentence(3.0, 4.0), sentence(0.0, -2.0)])
    torch.testing.assert_close(embedder.embed_sentences(sentences), torch.tensor([[0.6, 0.8], [0.0, -1.0]]))


def test_noise_is_added_before_the_norm_and_drawn_from_the_global_generator(roberta: Path) -> None:
    embedder = make_embedder(roberta, noise=0.1)
    torch.manual_seed(3)
    embedded = embedder.embed_sentences(sentence(1.0, 0.0))
    torch.manual_seed(3)
    noisy = (sentence(1.0, 0.0) + 0.1 * torch.randn(1, 32))[:, :2]
    torch.testing.assert_close(embedded, noisy / noisy.norm())
    assert not torch.equal(embedded, embedder.embed_sentences(sentence(1.0, 0.0)))


def test_a_frozen_encoder_encodes_only_captions_that_are_not_of_labels(roberta: Path) -> None:
    label_captions = CaptionBank(("rain", "wind"), torch.cat([sentence(1.0, 2.0), sentence(5.0)]), torch.tensor([0, 2]))
    embedder = make_embedder(roberta, label_captions=label_captions)
    expected = embedder.encoder.encode(["a dog barks"])
    counts = count_encoded(embedder.encoder)
    sentences = embedder.encode_sentences(["wind", "a dog barks", "rain"])
    torch.testing.assert_close(sentences, torch.cat([sentence(5.0), expected, sentence(1.0, 2.0)]))
    assert counts == [1]
    embedder.encode_sentences(["rain", "wind"])
    assert counts == [1]


def test_the_sentence_embeddings_of_labels_stay_as_they_were(roberta: Path) -> None:
    label_captions = CaptionBank(("rain",), sentence(1.0, 2.0), torch.tensor([0, 1]))
    make_embedder(roberta, label_captions=label_captions).encode_sentences(["a dog barks", "rain"])
    torch.testing.assert_close(label_captions.sentences, sentence(1.0, 2.0))


def test_a_trained_encoder_encodes_every_caption_with_gradient(roberta: Path) -> None:
    label_captions = CaptionBank(("rain",), sentence(1.0, 2.0), torch.tensor([0, 1]))
    embedder = make_embedder(roberta, trained=True, label_captions=label_captions)
    counts = count_encoded(embedder.encoder)
    embedder.embed(["rain", "a dog barks"])[:, 0].sum().backward()
    assert counts == [2]
    assert any(parameter.grad is not None for parameter in embedder.encoder.parameters())


def test_without_captions_there_are_no_embeddings(roberta: Path) -> None:
    texts, embeddings = make_embedder(roberta).embed_unique([])
    assert texts == []
    assert embeddings.shape == (0, 2)


def test_each_distinct_caption_is_embedded_once_in_the_order_of_its_first_appearance(roberta: Path) -> None:
    embedder = make_embedder(roberta)
    counts = count_encoded(embedder.encoder)
    texts, embeddings = embedder.embed_unique(["rain falls", "a dog barks", "rain falls"])
    assert texts == ["rain falls", "a dog barks"]
    assert counts == [2]
    torch.testing.assert_close(embeddings, embedder.embed(texts))


class SecondOfTwo(Processes):
    """Process 1 of two; process 0 has given the captions "rain falls" and "a dog barks"."""

    def gather(self, rows: Tensor) -> Tensor:
        return torch.cat([torch.tensor([[10.0, 0.0], [20.0, 0.0]]), rows])

    def gather_objects(self, item: Any) -> list[Any]:
        return [["rain falls", "a dog barks"], item]


def test_a_caption_of_two_processes_has_the_embedding_of_the_first(roberta: Path) -> None:
    embedder = make_embedder(roberta, processes=SecondOfTwo(1, 2))
    texts, embeddings = embedder.embed_unique(["a dog barks", "wind"])
    assert texts == ["rain falls", "a dog barks", "wind"]
    torch.testing.assert_close(
        embeddings, torch.cat([torch.tensor([[10.0, 0.0], [20.0, 0.0]]), embedder.embed(["wind"])])
    )
