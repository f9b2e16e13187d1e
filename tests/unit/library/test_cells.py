import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.library.cells import MAX_CELLS, best_similarities, encode_cells


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@given(st.lists(st.integers(1, MAX_CELLS), min_size=1, max_size=20), st.integers(2, 300), st.integers(0, 10**6))
def test_the_best_similarity_of_a_stretch_is_that_of_its_best_cell(
    lengths: list[int], dimension: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    cells = _unit(generator.normal(size=(sum(lengths), dimension)))
    query = _unit(generator.normal(size=dimension))
    starts = np.cumsum([0, *lengths[:-1]])
    encoded = pa.array(encode_cells(cells, starts), pa.large_binary())
    best = np.maximum.reduceat(cells @ query, starts)
    np.testing.assert_allclose(best_similarities(encoded, query), best, atol=0.5 / 127 * np.abs(query).sum() + 1e-5)
    all_but_first = best_similarities(encoded, query)[1:]
    np.testing.assert_allclose(best_similarities(encoded[1:], query), all_but_first, atol=1e-5)


def test_a_long_stretch_keeps_its_first_cells_and_the_mean_of_the_others() -> None:
    cells = np.zeros((9, 2), np.float32)
    cells[:MAX_CELLS, 0], cells[MAX_CELLS:, 1] = 0.5, [0.2, 0.4, 0.4, 0.6]
    (code,) = encode_cells(cells, np.array([0]))
    assert len(code) == (MAX_CELLS + 1) * 2
    encoded = pa.array([code], pa.large_binary())
    assert best_similarities(encoded, np.array([1, 0], np.float32)) == pytest.approx(0.5, abs=0.005)
    assert best_similarities(encoded, np.array([0, 1], np.float32)) == pytest.approx(0.4, abs=0.005)


@pytest.mark.parametrize("code", [b"", b"12345"])
def test_damaged_cells_are_noticed(code: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        best_similarities(pa.array([b"1234", code], pa.large_binary()), np.ones(4, np.float32))
    assert len(best_similarities(pa.array([], pa.large_binary()), np.ones(4, np.float32))) == 0
