import math

import pytest
import torch

from training.losses.frames import frame_contrastive_losses, frame_sigmoid_loss, overlap_losses


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_the_sigmoid_loss_sums_over_captions_and_averages_over_frames() -> None:
    similarity = torch.tensor([[[1.0, -1.0], [0.5, 0.0]]])
    target = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    known = torch.ones(1, 2, 2, dtype=torch.bool)
    logits = [[2 * 1.0 - 1, 2 * -1.0 - 1], [2 * 0.5 - 1, -1.0]]
    expected = (softplus(-logits[0][0]) + softplus(logits[0][1]) + softplus(logits[1][0]) + softplus(-logits[1][1])) / 2
    loss = frame_sigmoid_loss(2 * similarity - 1, target, known)
    assert float(loss) == pytest.approx(expected)


def test_unknown_targets_get_no_gradient() -> None:
    similarity = torch.zeros(1, 1, 2, requires_grad=True)
    known = torch.tensor([[[True, False]]])
    frame_sigmoid_loss(similarity, torch.tensor([[[0.0, 1.0]]]), known).backward()
    assert similarity.grad is not None
    assert similarity.grad[0, 0, 0] > 0
    assert similarity.grad[0, 0, 1] == 0


def test_the_contrastive_loss_is_the_cross_entropy_against_negatives_only() -> None:
    similarity = torch.tensor([[[0.9, 0.1, 0.4, 0.8]]])
    target = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
    known = torch.tensor([[[True, True, True, False]]])  # the last caption is unknown

    def cross_entropy(positive: float) -> float:
        return -math.log(math.exp(2 * positive) / (math.exp(2 * positive) + math.exp(2 * 0.1)))

    expected = (cross_entropy(0.9) + cross_entropy(0.4)) / 2
    loss = frame_contrastive_losses(2 * similarity, target, known).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_frames_without_a_true_caption_have_no_contrastive_loss() -> None:
    silence = torch.zeros(1, 2, 3)
    assert len(frame_contrastive_losses(silence, silence, torch.ones(1, 2, 3, dtype=torch.bool))) == 0


def test_the_overlap_loss_is_one_minus_dice_of_each_caption_that_is_true_in_a_scene() -> None:
    similarity = torch.tensor([[[2.0, 0.0], [-1.0, 0.0], [0.5, 0.0]]])  # (1, 3 frames, 2 captions)
    target = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]])  # the second caption is true of no frame
    known = torch.tensor([[[True, True], [True, True], [False, True]]])
    first, second = 1 / (1 + math.exp(-3.0)), 1 / (1 + math.exp(3.0))
    expected = 1 - (2 * first + 1) / (first + second + 1 + 1)
    loss = overlap_losses(2 * similarity - 1, target, known).mean()
    assert float(loss) == pytest.approx(expected)


def test_the_overlap_loss_weights_a_short_sound_as_much_as_a_long_one() -> None:
    target = torch.zeros(1, 100, 2)
    target[0, 50:52, 0] = target[0, 10:90, 1] = 1
    missed = torch.full((1, 100, 2), -20.0)
    known = torch.ones(1, 100, 2, dtype=torch.bool)
    short, long = (overlap_losses(missed[..., [q]], target[..., [q]], known[..., [q]]) for q in (0, 1))
    assert overlap_losses(missed, target, known).tolist() == [float(short), float(long)]
    assert float(short) == pytest.approx(1 - 1 / 3, abs=1e-3)
    assert len(overlap_losses(missed, 0 * target, known)) == 0
