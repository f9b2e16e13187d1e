import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.engine.sound_block import SoundBlock, regroup


def blocks_of(lengths: list[int], rate_hz: int = 8_000, channels: int = 2) -> list[SoundBlock]:
    ends = np.cumsum(lengths)
    samples = np.arange(sum(lengths) * channels, dtype=np.float32).reshape(-1, channels)
    return [SoundBlock(samples[end - n : end], rate_hz) for n, end in zip(lengths, ends, strict=True)]


@given(lengths=st.lists(st.integers(0, 30), min_size=1), size=st.integers(1, 12))
def test_regrouped_blocks_have_the_length_and_all_samples(lengths: list[int], size: int) -> None:
    blocks = blocks_of(lengths)
    regrouped = list(regroup(blocks, lambda _: size))
    assert all(len(block.samples) == size for block in regrouped[:-1])
    assert sum(len(block.samples) for block in regrouped) == sum(lengths)
    if regrouped:
        assert 0 < len(regrouped[-1].samples) <= size
        expected = np.concatenate([block.samples for block in blocks])
        np.testing.assert_array_equal(np.concatenate([block.samples for block in regrouped]), expected)


def test_no_block_joins_two_formats() -> None:
    blocks = [*blocks_of([3]), *blocks_of([2], rate_hz=16_000), *blocks_of([4], rate_hz=16_000, channels=1)]
    regrouped = list(regroup(blocks, lambda _: 100))
    assert [(block.rate_hz, block.samples.shape) for block in regrouped] == [
        (8_000, (3, 2)),
        (16_000, (2, 2)),
        (16_000, (4, 1)),
    ]


def test_the_length_of_a_block_may_depend_on_the_sample_rate() -> None:
    blocks = [*blocks_of([10], rate_hz=4), *blocks_of([10], rate_hz=8)]
    regrouped = regroup(blocks, lambda rate_hz: rate_hz)
    assert [len(block.samples) for block in regrouped] == [4, 4, 2, 8, 2]
