import torch

from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN
from training.synthesis.batches import Batch
from training.targets import label_targets, teacher_targets

RELATION = torch.tensor(
    [
        [POSITIVE, NEGATIVE, UNKNOWN],
        [POSITIVE, POSITIVE, NEGATIVE],
        [NEGATIVE, NEGATIVE, POSITIVE],
    ],
    dtype=torch.int8,
)


def make_batch(active: list[list[int]], labels: list[int], ambience: int = -1, teacher: float = 0.2) -> Batch:
    n_frames = len(active[0])
    return Batch(
        waveform=torch.zeros(1, n_frames * 640),
        active=torch.tensor([active], dtype=torch.float32),
        labels=torch.tensor([labels]),
        ambience=torch.tensor([ambience]),
        teacher=torch.full((1, n_frames // 2, 2), teacher),
        teacher_unknown=torch.tensor([[False, True]]),
    )


def test_a_caption_is_true_where_an_event_implies_it() -> None:
    target, known = label_targets(make_batch([[1, 0, 0, 0], [0, 1, 1, 0]], [1, 0]), RELATION)
    assert target[0].tolist() == [[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert known[0].tolist() == [[True, True, True], [True, True, False], [True, True, False], [True, True, True]]


def test_a_certain_event_outweighs_an_unsure_one() -> None:
    target, known = label_targets(make_batch([[1], [1]], [0, 2]), RELATION)
    assert target[0, 0, 2] == 1
    assert known[0, 0, 2]


def test_an_ambience_leaves_its_captions_unknown_throughout() -> None:
    _, known = label_targets(make_batch([[0, 0]], [0], ambience=0), RELATION)
    assert known[0].tolist() == [[False, True, False]] * 2


def test_the_teacher_is_not_believed_against_the_label_nor_behind_an_ambience() -> None:
    related = torch.tensor([[True, False], [False, False], [False, False]])
    target, known = teacher_targets(make_batch([[1, 1, 0, 0]], [0], teacher=0.2), related)
    assert target.shape == (1, 2, 2)
    assert known[0].tolist() == [[False, False], [True, False]]
    _, known = teacher_targets(make_batch([[1, 1, 0, 0]], [0], teacher=0.7), related)
    assert known[0, 0, 0]
