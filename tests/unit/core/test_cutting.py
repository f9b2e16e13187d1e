import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.core.cutting import WindowCutter, cut_windows
from service.core.frame_grid import FrameGrid
from service.core.windows import WindowPlan

plans = st.integers(1, 40).flatmap(lambda window: st.builds(WindowPlan, st.just(window), st.integers(0, window // 2)))


def test_a_waveform_of_two_and_a_half_frames_fills_a_window_of_three_with_zeros() -> None:
    ((start, samples),) = cut_windows(np.arange(1, 6, dtype=np.float32), WindowPlan(3, 1), FrameGrid(16_000, 2))
    assert start == 0
    assert samples.tolist() == [1, 2, 3, 4, 5, 0]


def test_no_samples_give_no_window() -> None:
    assert cut_windows(np.zeros(0, np.float32), WindowPlan(3, 1), FrameGrid(16_000, 2)) == []


@given(plans, st.integers(1, 8), st.lists(st.integers(0, 150), max_size=12))
def test_cutting_in_blocks_gives_the_windows_of_the_whole(plan: WindowPlan, hop: int, block_lengths: list[int]) -> None:
    waveform = np.arange(1, sum(block_lengths) + 1, dtype=np.float32)
    grid = FrameGrid(16_000, hop)
    cutter = WindowCutter(plan, grid)
    cut = [
        window
        for block in np.split(waveform, np.cumsum(block_lengths)[:-1])
        if block_lengths
        for window in cutter.add(block)
    ] + cutter.finish()
    starts = plan.starts(grid.n_frames(len(waveform)))
    padded = np.pad(waveform, (0, (plan.window_frames + 1) * hop))
    assert [start for start, _ in cut] == starts
    assert [start for start, _ in cut_windows(waveform, plan, grid)] == starts
    for start, samples in cut:
        np.testing.assert_array_equal(samples, padded[start * hop :][: plan.window_frames * hop])


def test_the_cutter_holds_less_than_two_windows_and_a_block() -> None:
    cutter = WindowCutter(WindowPlan(10, 2), FrameGrid(16_000, hop_samples=4))
    for _ in range(1_000):
        cutter.add(np.zeros(7, np.float32))
        assert sum(map(len, cutter._held)) <= 2 * 10 * 4 + 7
