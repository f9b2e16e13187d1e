import pytest
import torch

from training.model import OwnSigmoid


def test_a_texts_own_sigmoid_begins_at_10_and_minus_8() -> None:
    scale, bias = OwnSigmoid(4)(torch.randn(3, 4))
    assert scale.tolist() == pytest.approx([10.0] * 3)
    assert bias.tolist() == pytest.approx([-8.0] * 3)


def test_scores_are_free_of_how_likely_a_text_is() -> None:
    sigmoid = OwnSigmoid(2)
    with torch.no_grad():
        sigmoid.bias.weight[:] = torch.tensor([[4.0, 0.0]])
    queries = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # biases -8 and -4
    scores = sigmoid.scores(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), queries)
    prior, likely = torch.sigmoid(torch.tensor([-8.0, -4.0])), torch.sigmoid(torch.tensor([2.0, 6.0]))
    assert scores[:, 0].tolist() == pytest.approx([0.5, 0.5])  # as likely as before anything was heard
    assert scores[:, 1].tolist() == pytest.approx((likely / (likely + prior)).tolist())
