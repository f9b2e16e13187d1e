import math

import pytest
import torch
from torch.nn import functional as F

from training.losses.captions import clip_contrastive_loss, region_contrastive_losses

X, Y = [1.0, 0.0], [0.0, 1.0]


def log_of_softmax(own: float, others: list[float]) -> float:
    return own - math.log(math.exp(own) + sum(math.exp(other) for other in others))


def test_clips_and_captions_find_each_other() -> None:
    clips, captions = torch.tensor([X, Y]), torch.tensor([[0.6, 0.8], Y])
    to_caption = log_of_softmax(1.2, [0.0]) + log_of_softmax(2.0, [1.6])  # cosines over a temperature of 0.5
    to_clip = log_of_softmax(1.2, [1.6]) + log_of_softmax(2.0, [0.0])
    loss = clip_contrastive_loss(clips, captions, torch.tensor([0, 1]), 0.5)
    assert float(loss) == pytest.approx(-(to_caption + to_clip) / 4)


def test_captions_of_the_same_recording_are_no_negatives() -> None:
    clips, captions = torch.tensor([X, X, Y]), torch.tensor([X, [0.6, 0.8], Y])
    recording = torch.tensor([0, 0, 1])
    to_caption = [log_of_softmax(2.0, [0.0]), log_of_softmax(1.2, [0.0]), log_of_softmax(2.0, [0.0, 1.6])]
    to_clip = [log_of_softmax(2.0, [0.0]), log_of_softmax(1.2, [1.6]), log_of_softmax(2.0, [0.0, 0.0])]
    loss = clip_contrastive_loss(clips, captions, recording, 0.5)
    assert float(loss) == pytest.approx(-(sum(to_caption) + sum(to_clip)) / 6)


def test_a_batch_without_captions_or_with_one_alone_has_nothing_to_tell_apart() -> None:
    assert float(clip_contrastive_loss(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0), 0.5)) == 0
    assert float(clip_contrastive_loss(torch.tensor([X]), torch.tensor([Y]), torch.zeros(1), 0.5)) == 0


SIMILARITY = torch.tensor(
    [[[0.9, 0.1, 0.3], [0.5, 0.2, 0.4], [0.0, 0.0, 0.0]], [[0.2, 0.6, 0.7], [0.3, 0.8, 0.1], [0.4, 0.5, 0.6]]]
)
"""Two recordings of three frames, and three captions."""


def region_losses(
    similarity: torch.Tensor, recording: list[int], text: list[int], frames: list[list[int]]
) -> torch.Tensor:
    said = torch.zeros(2, 3, dtype=torch.bool)
    said[recording, text] = True
    active = torch.tensor(frames, dtype=torch.bool)
    return region_contrastive_losses(similarity, active, torch.tensor(recording), torch.tensor(text), said, 0.5)


def test_frames_of_a_region_find_its_caption_among_those_of_other_recordings() -> None:
    losses = region_losses(SIMILARITY, [0, 1, 1], [0, 1, 2], [[1, 1, 0], [0, 1, 0], [1, 1, 1]])
    first = (log_of_softmax(1.8, [0.2, 0.6]) + log_of_softmax(1.0, [0.4, 0.8])) / 2
    second = log_of_softmax(1.6, [0.6])  # caption 2 is its recording's own: no candidate
    third = (log_of_softmax(1.4, [0.4]) + log_of_softmax(0.2, [0.6]) + log_of_softmax(1.2, [0.8])) / 3
    assert losses.tolist() == pytest.approx([-first, -second, -third], rel=1e-5)


def test_a_caption_that_two_recordings_share_is_one_candidate_and_no_negative_of_either() -> None:
    losses = region_losses(SIMILARITY, [0, 0, 1, 1], [0, 1, 1, 2], [[1, 0, 0]] * 4)
    expected = [
        log_of_softmax(1.8, [0.6]),
        log_of_softmax(0.2, [0.6]),
        log_of_softmax(1.2, [0.4]),
        log_of_softmax(1.4, [0.4]),
    ]
    assert losses.tolist() == pytest.approx([-value for value in expected], rel=1e-5)


def test_frames_outside_every_region_learn_nothing() -> None:
    similarity = SIMILARITY.clone().requires_grad_()
    region_losses(similarity, [0, 1], [0, 1], [[0, 1, 0], [0, 0, 1]]).sum().backward()
    assert similarity.grad is not None
    assert similarity.grad.abs().sum(dim=2).gt(0).tolist() == [[False, True, False], [False, False, True]]


def test_a_recording_alone_gives_finite_gradients_of_zero() -> None:
    similarity = SIMILARITY.clone().requires_grad_()
    losses = region_losses(similarity, [0, 0, 0], [0, 1, 2], [[1, 1, 1]] * 3)
    losses.sum().backward()
    assert losses.tolist() == [0, 0, 0]
    assert similarity.grad is not None
    assert not similarity.grad.any()


def test_the_loss_of_regions_is_the_cross_entropy_of_pytorch_over_the_candidates() -> None:
    generator = torch.Generator().manual_seed(0)
    similarity = torch.rand(2, 3, 3, generator=generator) * 2 - 1
    losses = region_losses(similarity, [0, 1, 1], [0, 1, 2], [[1, 1, 1], [1, 0, 0], [0, 1, 1]])
    first = F.cross_entropy(similarity[0] / 0.5, torch.zeros(3, dtype=torch.int64))
    third = F.cross_entropy(similarity[1, 1:][:, [2, 0]] / 0.5, torch.zeros(2, dtype=torch.int64))
    assert losses[[0, 2]].tolist() == pytest.approx([float(first), float(third)], rel=1e-5)
