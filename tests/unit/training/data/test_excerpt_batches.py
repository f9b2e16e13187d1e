import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import soundfile
import torch

from service.core.frame_grid import FrameGrid
from tests.tiny_audio import write_burst, write_noise_that_is_no_audio
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
    found: list[Example] = []
    for number, (suffix, rate_hz, channels) in enumerate(FORMATS):
        burst_s = (1.0 + number, 2.5 + number)
        path = write_burst(folder / f"{number}.{suffix}", 6.0, burst_s, rate_hz, channels)
        found.append(Example(path, "train", (f"caption {number}",), (CaptionedEvent(*burst_s, f"event {number}"),)))
    return tuple(found)


def mixed(parts: Iterable[ExamplePool], *, length_s: float = 4.0, n_batches: int = 6, seed: int = 0) -> ExcerptBatches:
    return ExcerptBatches(list(parts), ExcerptRecipe(length_s), GRID, batch=4, n_batches=n_batches, seed=seed)


def assert_same(one: CaptionedBatch, other: CaptionedBatch) -> None:
    torch.testing.assert_close(one.waveform, other.waveform, rtol=0, atol=0)
    torch.testing.assert_close(one.valid_frames, other.valid_frames, rtol=0, atol=0)
    assert (one.captions, one.events) == (other.captions, other.events)


def test_a_batch_depends_on_the_seed_and_its_number_alone(examples: tuple[Example, ...]) -> None:
    whole, rest = mixed([ExamplePool(examples)]), load_batches(mixed([ExamplePool(examples)]), range(3, 6), 0)
    for number, batch in zip(range(3, 6), rest, strict=True):
        assert_same(whole[number], batch)
    assert not torch.equal(whole[0].waveform, whole[1].waveform)
    assert not torch.equal(whole[0].waveform, mixed([ExamplePool(examples)], seed=1)[0].waveform)


def test_workers_give_the_same_batches_in_the_same_order(examples: tuple[Example, ...]) -> None:
    batches = mixed([ExamplePool(examples)])
    for one, other in zip(load_batches(batches, range(len(batches)), 2), batches, strict=True):
        assert_same(one, other)


def test_a_region_lies_where_its_sound_is_whatever_the_format_and_the_excerpt(examples: tuple[Example, ...]) -> None:
    for batch in mixed([ExamplePool(examples)], n_batches=10):
        loud = batch.waveform.unflatten(1, (-1, 640)).abs().amax(dim=2) > 0.25  # (B, T)
        for b in range(len(loud)):
            regions = [event for event in batch.events if event.recording == b]
            heard = loud[b].nonzero().flatten().tolist()
            if not regions:
                assert len(heard) <= 4
                continue
            (region,) = regions
            assert abs(heard[0] - region.first_frame) <= 1
            assert abs(heard[-1] + 1 - region.end_frame) <= 1
            assert region.text.split()[-1] in {caption.text.split()[-1] for caption in batch.captions}


def test_a_recording_shorter_than_the_window_ends_in_silence(examples: tuple[Example, ...]) -> None:
    batch = mixed([ExamplePool(examples)], length_s=8.0)[0]
    assert batch.n_frames == 200
    assert batch.valid_frames.tolist() == [150] * 4
    assert not batch.waveform[:, 96_000:].any()
    assert len(batch.captions) == len(batch.events) == 4


def test_no_recording_is_twice_in_a_batch(examples: tuple[Example, ...]) -> None:
    for batch in mixed([ExamplePool(examples)], length_s=8.0):
        assert len({caption.text for caption in batch.captions}) == 4


def test_data_sets_are_drawn_by_their_weights(examples: tuple[Example, ...]) -> None:
    parts = [ExamplePool(examples[1:2], 3.0), ExamplePool(examples[2:4], 1.0)]
    counts = Counter(c.text for b in mixed(parts, length_s=8.0, n_batches=100) for c in b.captions)
    assert counts["caption 1"] / 400 == pytest.approx(0.75, abs=0.07)
    assert counts["caption 2"] / 400 == pytest.approx(0.125, abs=0.05)


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_files_are_replaced_and_told_once_at_the_end(
    examples: tuple[Example, ...], workers: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Example(write_noise_that_is_no_audio(tmp_path / "broken.wav"), "train", ("nothing",))
    batches = mixed([ExamplePool((*examples, broken))])
    with caplog.at_level(logging.WARNING):
        given = list(load_batches(batches, range(len(batches)), workers))
    assert all(len(batch.waveform) == 4 for batch in given)
    draws = sum(len(batch.unreadable) for batch in given)
    assert draws > 0
    (record,) = caplog.records
    assert record.getMessage() == f"1 recordings could not be decoded, {draws} draws: {broken.path}"


def test_a_recording_of_less_than_a_sample_is_replaced(examples: tuple[Example, ...], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "click.wav", [0.5], 44_100)
    click = Example(tmp_path / "click.wav", "train", ("a click",), (CaptionedEvent(0.0, 1.0, "a click"),))
    batch = mixed([ExamplePool((*examples, click))])[0]
    assert len(batch.waveform) == 4
    assert set(batch.unreadable) == {str(click.path)}


def test_an_excerpt_of_which_nothing_is_known_is_replaced(examples: tuple[Example, ...], tmp_path: Path) -> None:
    long = Example(write_burst(tmp_path / "long.wav", 30.0), "train", ("a day at sea",))
    for batch in mixed([ExamplePool((*examples, long))]):
        assert "a day at sea" not in {caption.text for caption in batch.captions}


def test_a_data_set_without_a_readable_file_is_given_up_and_named(tmp_path: Path) -> None:
    broken = Example(write_noise_that_is_no_audio(tmp_path / "broken.wav"), "train", ("nothing",))
    with pytest.raises(RuntimeError, match=r"gave 0 of 4 recordings: 400 could not be decoded \(.*broken.wav"):
        mixed([ExamplePool((broken,))])[0]


def test_a_window_of_no_whole_frames_is_refused(examples: tuple[Example, ...]) -> None:
    with pytest.raises(ValueError, match=r"4.01 s; whole frames of 0.04 s"):
        mixed([ExamplePool(examples)], length_s=4.01)


def test_parts_are_read_by_name_and_split(tmp_path: Path) -> None:
    share = WeightedDataset("pack", build_tiny_pack(tmp_path), 2.0)
    (part,) = read_example_pools([share], "val")
    assert (len(part.examples), part.weight) == (12, 2.0)
    with pytest.raises(ValueError, match=r"0 examples of 'pack in .*, split test'"):
        read_example_pools([share], "test")
