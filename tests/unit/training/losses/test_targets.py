import torch

from training.data.batch import CaptionedBatch, CaptionedFrames
from training.data.captions import NEGATIVE, POSITIVE, UNKNOWN
from training.data.scene_batch import SceneBatch
from training.losses.targets import RegionTargets, absent_known, label_targets, teacher_targets

RELATION = torch.tensor(
    [
        [POSITIVE, NEGATIVE, UNKNOWN],
        [POSITIVE, POSITIVE, NEGATIVE],
        [NEGATIVE, NEGATIVE, POSITIVE],
    ],
    dtype=torch.int8,
)


def make_batch(active: list[list[int]], labels: list[int], ambience: int = -1, teacher: float = 0.2) -> SceneBatch:
    n_frames = len(active[0])
    return SceneBatch(
        waveform=torch.zeros(1, n_frames * 640),
        valid_frames=torch.tensor([n_frames]),
        n_frames=n_frames,
        event_active=torch.tensor([active], dtype=torch.float32),
        labels=torch.tensor([labels]),
        ambience=torch.tensor([ambience]),
        teacher=torch.full((1, n_frames // 2, 2), teacher),
        teacher_unknown=torch.tensor([[False, True]]),
    )


def test_a_caption_is_true_where_an_event_implies_it() -> None:
    target, known = label_targets(make_batch([[1, 0, 0, 0], [0, 1, 1, 0]], [1, 0]), RELATION)
    assert target[0].tolist() == [[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert known[0].tolist() == [[True, True, True], [True, True, False], [True, True, False], [True, True, True]]


def test_a_caption_is_true_where_one_event_implies_it_and_another_may() -> None:
    target, known = label_targets(make_batch([[1], [1]], [0, 2]), RELATION)
    assert target[0, 0, 2] == 1
    assert known[0, 0, 2]


def test_an_ambience_leaves_its_captions_unknown_throughout() -> None:
    _, known = label_targets(make_batch([[0, 0]], [0], ambience=0), RELATION)
    assert known[0].tolist() == [[False, True, False]] * 2


def test_the_teachers_score_is_unknown_where_it_contradicts_the_label_or_the_ambience_may_hold_the_class() -> None:
    related = torch.tensor([[True, False], [False, False], [False, False]])
    target, known = teacher_targets(make_batch([[1, 1, 0, 0]], [0], teacher=0.2), related)
    assert target.shape == (1, 2, 2)
    assert known[0].tolist() == [[False, False], [True, False]]
    _, known = teacher_targets(make_batch([[1, 1, 0, 0]], [0], teacher=0.7), related)
    assert known[0, 0, 0]


REGIONS = CaptionedBatch(
    torch.zeros(2, 40),
    torch.tensor([3, 2]),
    3,
    events=(
        CaptionedFrames(0, 0, 2, "a dog"),
        CaptionedFrames(0, 2, 3, "a dog"),
        CaptionedFrames(0, 1, 3, "rain"),
        CaptionedFrames(1, 0, 1, "a dog"),
    ),
)


def test_regions_hold_the_index_of_their_caption_and_the_captions_of_their_recording() -> None:
    regions = RegionTargets.from_batch(REGIONS, ["rain", "a dog", "a cat"])
    assert regions.caption.tolist() == [1, 1, 0, 1]
    assert regions.recording.tolist() == [0, 0, 0, 1]
    assert regions.recording_has_caption.tolist() == [[True, True, False], [False, True, False]]


def test_a_caption_is_true_in_its_regions_and_false_elsewhere_and_in_other_recordings() -> None:
    target, known = RegionTargets.from_batch(REGIONS, ["rain", "a dog"]).frame_targets()
    assert target.tolist() == [[[0, 1], [1, 1], [1, 1]], [[0, 1], [0, 0], [0, 0]]]
    assert known.tolist() == [[[True, True]] * 3, [[True, True], [True, True], [False, False]]]


def test_overlapping_regions_of_one_caption_are_true_once() -> None:
    batch = CaptionedBatch(
        torch.zeros(1, 40), torch.tensor([1]), 1, events=(CaptionedFrames(0, 0, 1, "a"), CaptionedFrames(0, 0, 1, "a"))
    )
    target, _ = RegionTargets.from_batch(batch, ["a"]).frame_targets()
    assert target.tolist() == [[[1]]]


def test_an_absent_caption_is_unknown_where_it_may_be_true_and_false_elsewhere() -> None:
    may_be = torch.tensor([[True, False, False], [False, False, False], [False, False, True]])
    batch = make_batch([[1, 0, 0], [0, 1, 0]], [0, 1])
    assert absent_known(batch, may_be)[0].tolist() == [[False, True, True], [True, True, True], [True, True, True]]
    with_ambience = make_batch([[1, 0, 0], [0, 1, 0]], [0, 1], ambience=2)
    assert not absent_known(with_ambience, may_be)[0, :, 2].any()
    assert absent_known(with_ambience, may_be)[0, :, 1].all()
