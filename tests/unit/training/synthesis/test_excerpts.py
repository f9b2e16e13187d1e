import numpy as np
import pytest

from training.synthesis.excerpts import burst_span, cut, timed_span

RATE_HZ = 16_000
BLOCK = 320


def recording(start_s: float, end_s: float, length_s: float) -> np.ndarray:
    """Noise from `start_s` to `end_s`, silence elsewhere."""
    samples = np.zeros(round(length_s * RATE_HZ), dtype=np.float32)
    span = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
    samples[span] = 0.1 * np.random.default_rng(0).standard_normal(len(samples[span]))
    return samples


@pytest.mark.parametrize("seed", range(5))
def test_a_span_from_the_onset_starts_where_the_sound_sets_in(seed: int) -> None:
    start, end = timed_span(np.random.default_rng(seed), recording(1.0, 4.0, 6.0), RATE_HZ, 0.3, from_onset=True)
    assert (start, end) == (RATE_HZ, RATE_HZ + round(0.3 * RATE_HZ))


@pytest.mark.parametrize("seed", range(10))
def test_any_other_span_lies_within_the_sound(seed: int) -> None:
    start, end = timed_span(np.random.default_rng(seed), recording(1.0, 4.0, 6.0), RATE_HZ, 0.3, from_onset=False)
    assert start >= RATE_HZ
    assert end <= 4 * RATE_HZ
    assert end - start == round(0.3 * RATE_HZ)


def test_a_span_ends_with_its_recording() -> None:
    assert (
        timed_span(np.random.default_rng(0), recording(1.0, 2.0, 2.0), RATE_HZ, 9.0, from_onset=True)[1] == 2 * RATE_HZ
    )
    assert (
        timed_span(np.random.default_rng(0), np.zeros(RATE_HZ, np.float32), RATE_HZ, 9.0, from_onset=True)[1] == RATE_HZ
    )


def test_a_burst_has_a_block_on_both_sides_if_the_recording_has_it() -> None:
    samples = np.zeros(20 * BLOCK, dtype=np.float32)
    assert burst_span(samples, RATE_HZ, (5, 8)) == (4 * BLOCK, 9 * BLOCK)
    assert burst_span(samples, RATE_HZ, (0, 20)) == (0, 20 * BLOCK)


def test_cut_edges_are_faded_and_natural_edges_are_not() -> None:
    samples, rng = np.ones(RATE_HZ, dtype=np.float32), np.random.default_rng(0)
    assert cut(samples, RATE_HZ, (0, len(samples)), rng).samples.min() == 1
    inner = cut(samples, RATE_HZ, (1600, 8000), rng).samples
    assert inner[0] < 0.02
    assert inner[-1] < 0.02
    assert (inner[100:-100] == 1).all()
    assert (samples == 1).all()


def test_an_excerpt_knows_where_it_comes_from_and_how_fast_it_is_played() -> None:
    excerpt = cut(recording(0.0, 4.0, 4.0), RATE_HZ, (RATE_HZ, 3 * RATE_HZ), np.random.default_rng(3), 1.25)
    assert excerpt.source_onset_s == 1.0
    assert excerpt.speed * len(excerpt.samples) == pytest.approx(2 * RATE_HZ)
    assert len(excerpt.active) == -(-len(excerpt.samples) // BLOCK)
    assert cut(recording(0.0, 4.0, 4.0), RATE_HZ, (0, RATE_HZ), np.random.default_rng(3)).speed == 1.0


def test_power_is_that_of_active_blocks_and_a_shortened_excerpt_has_fewer() -> None:
    samples = np.concatenate([np.full(RATE_HZ, 0.5), np.zeros(RATE_HZ)]).astype(np.float32)
    excerpt = cut(samples, RATE_HZ, (0, len(samples)), np.random.default_rng(0))
    assert excerpt.power(RATE_HZ) == pytest.approx(0.25)
    short = excerpt.shortened(10 * BLOCK, RATE_HZ)
    assert (len(short.samples), len(short.active)) == (10 * BLOCK, 10)
