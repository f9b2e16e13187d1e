import numpy as np

from training.synthesis.truth import active_blocks, bridge, runs

RATE_HZ = 16_000
BLOCK = 320


def blocks(*levels: float) -> np.ndarray:
    """A waveform with a constant level in each block of 20 ms."""
    return np.repeat(np.array(levels, dtype=np.float32), BLOCK)


def test_blocks_within_32_db_of_the_loudest_are_active() -> None:
    quiet, too_quiet = 10 ** (-31.9 / 20), 10 ** (-32.1 / 20)
    waveform = np.concatenate([blocks(1.0, quiet), blocks(*[0.0] * 30), blocks(too_quiet)])
    active = active_blocks(waveform, RATE_HZ)
    assert active[:2].all()
    assert not active[2:].any()


def test_pauses_up_to_400_ms_are_bridged() -> None:
    assert active_blocks(blocks(1.0, *[0.0] * 20, 1.0), RATE_HZ).all()
    assert active_blocks(blocks(1.0, *[0.0] * 21, 1.0), RATE_HZ).sum() == 2


def test_silence_is_never_active() -> None:
    assert not active_blocks(blocks(0.0, 0.0), RATE_HZ).any()


def test_only_inner_pauses_are_bridged() -> None:
    np.testing.assert_array_equal(bridge(np.array([0, 1, 0, 1, 0], dtype=bool), 5), [0, 1, 1, 1, 0])


def test_runs_are_half_open() -> None:
    assert runs(np.array([1, 1, 0, 1], dtype=bool)) == [(0, 2), (3, 4)]
    assert runs(np.zeros(3, dtype=bool)) == []
