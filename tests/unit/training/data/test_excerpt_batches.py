import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import soundfile
import torch

from service.core.frame_grid import FrameGrid
from tests.tiny_audio import write_burst, write_undecodable_file
from tests.tiny_pack import build_tiny_pack
from training.data.batch import CaptionedBatch
from training.data.example import CaptionedEvent, Example
from training.data.excerpt import ExcerptRecipe
from training.data.excerpt_batches import ExamplePool, ExcerptBatches, WeightedDataset, read_example_pools
from training.data.loading import load_batches

GRID = FrameGrid(16_000, 640)
FORMATS = (("mp3", 44_100, 2), ("wav", 16_000, 1), ("flac", 48_000, 2), ("ogg", 22_050, 1))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, ...]:
    folder = tmp_path_factory.mktemp("bursts")
    examples: list[Example] = []
    for number, (suffix, rate_hz, channels) in enumerate(FORMATS):
        burst_s = (1.0 + number, 2.5 + number)
        path = write_burst(folder / f"{number}.{suffix}", 6.0, burst_s, rate_hz, channels)
        examples.append(Example(path, "train", (f"caption {number}",), (CaptionedEvent(*burst_s, f"event {number}"),)))
    return tuple(examples)


def make_batches(
    pools: Iterable[ExamplePool], *, length_s: float = 4.0, n_batches: int = 6, seed: int = 0
) -> ExcerptBatches:
    return ExcerptBatches(list(pools), ExcerptRecipe(length_s), GRID, batch=4, n_batches=n_batches, seed=seed)


def assert_same(actual: CaptionedBatch, expected: CaptionedBatch) -> None:
    torch.testing.assert_close(actual.waveform, expected.waveform, rtol=0, atol=0)
    torch.testing.assert_close(actual.valid_frames, expected.valid_frames, rtol=0, atol=0)
    assert (actual.captions, actual.events) == (expected.captions, expected.events)


def test_a_batch_depends_only_on_the_seed_and_its_number(examples: tuple[Example, ...]) -> None:
    whole, rest = (
        make_batches([ExamplePool(examples)]),
        load_batches(make_batches([ExamplePool(examples)]), range(3, 6), 0),
    )
    for number, batch in zip(range(3, 6), rest, strict=True):
        assert_same(whole[number], batch)
    assert not torch.equal(whole[0].waveform, whole[1].waveform)
    assert not torch.equal(whole[0].waveform, make_batches([ExamplePool(examples)], seed=1)[0].waveform)


def test_workers_give_the_same_batches_in_the_same_order(examples: tuple[Example, ...]) -> None:
    batches = make_batches([ExamplePool(examples)])
    for from_workers, expected in zip(load_batches(batches, range(len(batches)), 2), batches, strict=True):
        assert_same(from_workers, expected)


def test_an_event_covers_the_frames_of_its_sound_in_every_format_and_excerpt(examples: tuple[Example, ...]) -> None:
    for batch in make_batches([ExamplePool(examples)], n_batches=10):
        loud = batch.waveform.unflatten(1, (-1, 640)).abs().amax(dim=2) > 0.25  # (B, T)
        for b in range(len(loud)):
            events = [event for event in batch.events if event.recording == b]
            loud_frames = loud[b].nonzero().flatten().tolist()
            if not events:
                assert len(loud_frames) <= 4
                continue
            (event,) = events
            assert abs(loud_frames[0] - event.first_frame) <= 1
            assert abs(loud_frames[-1] + 1 - event.end_frame) <= 1
            assert event.text.split()[-1] in {caption.text.split()[-1] for caption in batch.captions}


def test_a_recording_shorter_than_the_excerpt_is_padded_with_zeros(examples: tuple[Example, ...]) -> None:
    batch = make_batches([ExamplePool(examples)], length_s=8.0)[0]
    assert batch.n_frames == 200
    assert batch.valid_frames.tolist() == [150] * 4
    assert not batch.waveform[:, 96_000:].any()
    assert len(batch.captions) == len(batch.events) == 4


def test_a_batch_contains_no_recording_twice(examples: tuple[Example, ...]) -> None:
    for batch in make_batches([ExamplePool(examples)], length_s=8.0):
        assert len({caption.text for caption in batch.captions}) == 4


def test_data_sets_are_drawn_by_their_weights(examples: tuple[Example, ...]) -> None:
    pools = [ExamplePool(examples[1:2], 3.0), ExamplePool(examples[2:4], 1.0)]
    counts = Counter(c.text for b in make_batches(pools, length_s=8.0, n_batches=100) for c in b.captions)
    assert counts["caption 1"] / 400 == pytest.approx(0.75, abs=0.07)
    assert counts["caption 2"] / 400 == pytest.approx(0.125, abs=0.05)


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_files_are_replaced_and_logged_once_at_the_end(
    examples: tuple[Example, ...], workers: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Example(write_undecodable_file(tmp_path / "broken.wav"), "train", ("nothing",))
    batches = make_batches([ExamplePool((*examples, broken))])
    with caplog.at_level(logging.WARNING):
        loaded = list(load_batches(batches, range(len(batches)), workers))
    assert all(len(batch.waveform) == 4 for batch in loaded)
    draws = sum(len(batch.unreadable) for batch in loaded)
    assert draws > 0
    (record,) = caplog.records
    assert record.getMessage() == f"1 recordings could not be decoded (drawn {draws} times): {broken.path}"


def test_a_recording_shorter_than_one_sample_is_replaced(examples: tuple[Example, ...], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "click.wav", [0.5], 44_100)
    click = Example(tmp_path / "click.wav", "train", ("a click",), (CaptionedEvent(0.0, 1.0, "a click"),))
    batch = make_batches([ExamplePool((*examples, click))])[0]
    assert len(batch.waveform) == 4
    assert set(batch.unreadable) == {str(click.path)}


def test_an_excerpt_without_captions_of_a_recording_without_events_is_replaced(
    examples: tuple[Example, ...], tmp_path: Path
) -> None:
    long = Example(write_burst(tmp_path / "long.wav", 30.0), "train", ("a day at sea",))
    for batch in make_batches([ExamplePool((*examples, long))]):
        assert "a day at sea" not in {caption.text for caption in batch.captions}


def test_a_data_set_without_a_readable_file_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    broken = Example(write_undecodable_file(tmp_path / "broken.wav"), "train", ("nothing",))
    with pytest.raises(RuntimeError, match=r"gave 0 of 4 recordings: 400 could not be decoded \(.*broken.wav"):
        make_batches([ExamplePool((broken,))])[0]


def test_an_excerpt_length_that_is_not_a_multiple_of_the_hop_is_refused(examples: tuple[Example, ...]) -> None:
    with pytest.raises(ValueError, match=r"4.01 s; a multiple of 0.04 s"):
        make_batches([ExamplePool(examples)], length_s=4.01)


def test_pools_are_read_by_name_and_split(tmp_path: Path) -> None:
    dataset = WeightedDataset("pack", build_tiny_pack(tmp_path), 2.0)
    (pool,) = read_example_pools([dataset], "val")
    assert (len(pool.examples), pool.weight) == (12, 2.0)
    with pytest.raises(ValueError, match=r"0 examples of 'pack in .*, split test'"):
        read_example_pools([dataset], "test")
