import math

import pytest
import torch
from torch.nn import functional as F

from training.losses.captions import clip_contrastive_loss, region_contrastive_losses
from training.losses.targets import RegionTargets

X, Y = [1.0, 0.0], [0.0, 1.0]


def log_of_softmax(positive: float, negatives: list[float]) -> float:
    return positive - math.log(math.exp(positive) + sum(math.exp(negative) for negative in negatives))


def test_the_loss_of_clips_is_the_cross_entropy_in_both_directions() -> None:
    clips, captions = torch.tensor([X, Y]), torch.tensor([[0.6, 0.8], Y])
    to_caption = log_of_softmax(1.2, [0.0]) + log_of_softmax(2.0, [1.6])  # cosines over a temperature of 0.5
    to_clip = log_of_softmax(1.2, [1.6]) + log_of_softmax(2.0, [0.0])
    loss = clip_contrastive_loss(clips, captions, torch.tensor([0, 1]), 0.5)
    assert float(loss) == pytest.approx(-(to_caption + to_clip) / 4)


def test_pairs_of_the_same_recording_are_not_negatives() -> None:
    clips, captions = torch.tensor([X, X, Y]), torch.tensor([X, [0.6, 0.8], Y])
    recording = torch.tensor([0, 0, 1])
    to_caption = [log_of_softmax(2.0, [0.0]), log_of_softmax(1.2, [0.0]), log_of_softmax(2.0, [0.0, 1.6])]
    to_clip = [log_of_softmax(2.0, [0.0]), log_of_softmax(1.2, [1.6]), log_of_softmax(2.0, [0.0, 0.0])]
    loss = clip_contrastive_loss(clips, captions, recording, 0.5)
    assert float(loss) == pytest.approx(-(sum(to_caption) + sum(to_clip)) / 6)


def test_without_negatives_the_loss_of_clips_is_zero() -> None:
    assert float(clip_contrastive_loss(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0), 0.5)) == 0
    assert float(clip_contrastive_loss(torch.tensor([X]), torch.tensor([Y]), torch.zeros(1), 0.5)) == 0


SIMILARITY = torch.tensor(
    [[[0.9, 0.1, 0.3], [0.5, 0.2, 0.4], [0.0, 0.0, 0.0]], [[0.2, 0.6, 0.7], [0.3, 0.8, 0.1], [0.4, 0.5, 0.6]]]
)
"""Two recordings of three frames, and three captions."""


def region_losses(
    similarity: torch.Tensor, recording: list[int], caption: list[int], frames: list[list[int]]
) -> torch.Tensor:
    recording_has_caption = torch.zeros(2, 3, dtype=torch.bool)
    recording_has_caption[recording, caption] = True
    regions = RegionTargets(
        region_mask=torch.tensor(frames, dtype=torch.bool),
        recording=torch.tensor(recording),
        caption=torch.tensor(caption),
        recording_has_caption=recording_has_caption,
        valid_mask=torch.ones(2, 3, dtype=torch.bool),
    )
    return region_contrastive_losses(similarity, regions, 0.5)


def test_the_loss_of_a_region_is_the_cross_entropy_against_captions_of_other_recordings() -> None:
    losses = region_losses(SIMILARITY, [0, 1, 1], [0, 1, 2], [[1, 1, 0], [0, 1, 0], [1, 1, 1]])
    first = (log_of_softmax(1.8, [0.2, 0.6]) + log_of_softmax(1.0, [0.4, 0.8])) / 2
    second = log_of_softmax(1.6, [0.6])  # caption 2 belongs to the same recording and is left out
    third = (log_of_softmax(1.4, [0.4]) + log_of_softmax(0.2, [0.6]) + log_of_softmax(1.2, [0.8])) / 3
    assert losses.tolist() == pytest.approx([-first, -second, -third], rel=1e-5)


def test_a_caption_that_two_recordings_share_is_a_negative_of_neither() -> None:
    losses = region_losses(SIMILARITY, [0, 0, 1, 1], [0, 1, 1, 2], [[1, 0, 0]] * 4)
    expected = [
        log_of_softmax(1.8, [0.6]),
        log_of_softmax(0.2, [0.6]),
        log_of_softmax(1.2, [0.4]),
        log_of_softmax(1.4, [0.4]),
    ]
    assert losses.tolist() == pytest.approx([-value for value in expected], rel=1e-5)


def test_frames_outside_of_all_regions_get_no_gradient() -> None:
    similarity = SIMILARITY.clone().requires_grad_()
    region_losses(similarity, [0, 1], [0, 1], [[0, 1, 0], [0, 0, 1]]).sum().backward()
    assert similarity.grad is not None
    assert similarity.grad.abs().sum(dim=2).gt(0).tolist() == [[False, True, False], [False, False, True]]


def test_a_single_recording_has_no_negatives_and_gradients_of_zero() -> None:
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
