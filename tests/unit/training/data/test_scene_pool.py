from collections.abc import Iterator

import pytest
import torch

from training.data.scene_batch import SceneBatch
from training.data.scene_pool import PoolConfig, PoolDraws, ScenePool, rolled

CPU = torch.device("cpu")
HOP = 4


def piece(number: int, size: int = 2, events: int = 1) -> SceneBatch:
    """Scenes of 8 frames whose samples, truth and scores rise with time and whose labels name the piece."""
    frame = torch.arange(8)
    active = (frame >= 2) & (frame < 5)
    return SceneBatch(
        waveform=(frame.repeat_interleave(HOP) / 8).expand(size, -1).clone(),
        valid_frames=torch.full((size,), 8),
        n_frames=8,
        event_active=active.float().expand(size, events, -1).clone(),
        labels=torch.full((size, events), number),
        ambience=torch.full((size,), number),
        teacher=(torch.arange(4) * 10 / 255)[None, :, None].expand(size, -1, 3).clone(),
        teacher_unknown=torch.zeros(size, 3, dtype=torch.bool),
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_scene_comes_out_as_it_went_in() -> None:
    pool = ScenePool(2, CPU)
    pool.add(piece(7), 0)
    drawn, original = pool.draw(3, 0.0, generator()), piece(7, size=3)
    for name in ("waveform", "valid_frames", "event_active", "labels", "ambience", "teacher", "teacher_unknown"):
        torch.testing.assert_close(getattr(drawn, name), getattr(original, name), msg=name)


def test_a_rolled_scene_keeps_its_truth_and_its_scores_at_its_sounds() -> None:
    pool = ScenePool(1, CPU)
    pool.add(piece(0), 0)
    drawn = pool.draw(32, 1.0, generator())
    by_frame = drawn.waveform.unflatten(1, (8, HOP))
    assert len({int(first) for first in by_frame[:, 0, 0] * 8}) == 4  # every pair of frames was a beginning
    frame = by_frame[:, :, 0] * 8
    assert torch.equal(by_frame, by_frame[:, :, :1].expand_as(by_frame))
    assert torch.equal(drawn.event_active[:, 0] > 0, (frame >= 2) & (frame < 5))
    torch.testing.assert_close(drawn.teacher[:, :, 0] * 255, (frame[:, ::2] / 2).floor() * 10)


def test_new_pieces_replace_the_oldest() -> None:
    pool = ScenePool(2, CPU)
    for number in range(3):
        pool.add(piece(number), number)
    assert set(pool.draw(64, 0.5, generator()).ambience.tolist()) == {1, 2}


def test_scenes_with_other_numbers_of_events_share_a_pool() -> None:
    pool = ScenePool(3, CPU)
    for number, events in enumerate((2, 3, 1)):
        pool.add(piece(number, events=events), number)
    drawn = pool.draw(64, 0.0, generator())
    heard = (drawn.event_active.amax(dim=2) > 0).sum(dim=1)
    assert {(int(n), int(e)) for n, e in zip(drawn.ambience, heard, strict=True)} == {(0, 2), (1, 3), (2, 1)}


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("scenes", "fresh", "size"), [(40, 2, 3), (12, 4, 3), (4, 4, 8), (1000, 7, 5)])
def test_a_part_does_not_depend_on_where_the_run_was_resumed(
    scenes: int, fresh: int, size: int, processes: int
) -> None:
    draws = PoolDraws(PoolConfig(scenes=scenes, fresh=fresh), size, seed=5, processes=processes)

    def drawn(parts: range) -> Iterator[tuple[int, SceneBatch]]:
        pieces = (piece(number, size=fresh) for number in draws.pieces(parts))
        return draws.draw(parts, pieces, CPU)

    rank = processes - 1
    whole = dict(drawn(range(rank, 60, processes)))
    assert list(whole) == list(range(rank, 60, processes))
    for start in (rank, rank + 5 * processes, rank + 25 * processes):
        for number, part in drawn(range(start, 60, processes)):
            assert torch.equal(part.ambience, whole[number].ambience)
            assert torch.equal(part.waveform, whole[number].waveform)


def test_a_run_begins_with_several_parts_in_the_pool_and_each_part_adds_a_piece() -> None:
    draws = PoolDraws(PoolConfig(scenes=1000, fresh=4), size=2, seed=0)
    assert draws.pieces(range(10)) == range(17)  # 8 pieces, which are 16 parts, for the first part


def test_processes_share_no_pieces() -> None:
    draws = PoolDraws(PoolConfig(scenes=64, fresh=4), size=4, seed=0, processes=2)
    first, second = (set(draws.pieces(range(rank, 50, 2))) for rank in range(2))
    assert not first & second
    assert len(first) == len(second)


def test_any_dimension_can_be_rolled() -> None:
    values = torch.arange(24).view(2, 3, 4)
    steps = torch.tensor([1, 2])
    for dim in (1, 2):
        expected = torch.stack([torch.roll(row, -int(n), dim - 1) for row, n in zip(values, steps, strict=True)])
        assert torch.equal(rolled(values, steps, dim), expected)
