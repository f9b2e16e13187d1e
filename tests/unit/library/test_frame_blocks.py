import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.library.frame_blocks import BLOCK_FRAMES, BlockDamaged, FrameBlock, cut_blocks, n_blocks, read_block

N_FRAMES = BLOCK_FRAMES + 44


def _frames(n_frames: int) -> np.ndarray:
    return np.random.default_rng(n_frames).normal(size=(n_frames, 3)).astype(np.float16)


@given(st.integers(1, 3 * BLOCK_FRAMES))
def test_the_blocks_of_a_recording_hold_its_frames_bit_for_bit(n_frames: int) -> None:
    frames = _frames(n_frames)
    blocks = list(cut_blocks(frames))
    assert [block.number for block in blocks] == list(range(n_blocks(n_frames)))
    np.testing.assert_array_equal(np.concatenate([read_block(block, n_frames, 3) for block in blocks]), frames)


@given(st.integers(0, N_FRAMES * 3 * 2 - 1))
def test_any_changed_byte_is_noticed(position: int) -> None:
    content = bytearray(b"".join(block.content for block in cut_blocks(_frames(N_FRAMES))))
    content[position] ^= 1
    cut = BLOCK_FRAMES * 3 * 2
    parts = [bytes(content[:cut]), bytes(content[cut:])]
    blocks = [FrameBlock(block.number, parts[block.number], block.crc32) for block in cut_blocks(_frames(N_FRAMES))]
    with pytest.raises(BlockDamaged):
        [read_block(block, N_FRAMES, 3) for block in blocks]


@pytest.mark.parametrize(("number", "n_frames", "dimension"), [(1, 64, 3), (0, 64, 4), (0, 63, 3), (-1, 64, 3)])
def test_a_block_that_does_not_fit_its_recording_is_damaged(number: int, n_frames: int, dimension: int) -> None:
    (block,) = cut_blocks(_frames(BLOCK_FRAMES))
    with pytest.raises(BlockDamaged):
        read_block(FrameBlock(number, block.content, block.crc32), n_frames, dimension)
