import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import median_filter as scipy_median_filter
from scipy.special import expit

from service.core import scoring


def test_similarity_is_the_cosine_of_every_query_with_every_frame() -> None:
    frames = np.float32([[1, 0], [0.6, 0.8], [0, -1]])
    queries = np.float32([[1, 0], [0, 1]])
    np.testing.assert_allclose(scoring.similarity(frames, queries), [[1, 0.6, 0], [0, 0.8, -1]])


def test_score_is_the_sigmoid_and_never_overflows() -> None:
    similarity = np.linspace(-1, 1, 101, dtype=np.float32)
    np.testing.assert_allclose(
        scoring.score(similarity, scoring.Calibration(30, -4)), expit(30 * similarity - 4), atol=1e-6
    )
    extreme = scoring.score(np.float32([-1, 1]), scoring.Calibration(1e6, 0))
    assert extreme.tolist() == [0, 1]
    assert extreme.dtype == np.float32


curves = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 50)), elements=st.floats(0, 1, width=32))


@given(curves, st.integers(0, 40))
def test_median_filter_equals_scipy(curve: np.ndarray, half: int) -> None:
    width = 2 * half + 1
    expected = scipy_median_filter(curve, (1, width), mode="nearest")
    np.testing.assert_array_equal(scoring.median_filter(curve, width), expected)


def test_median_filter_equals_scipy_across_its_chunks() -> None:
    curve = np.random.default_rng(0).random((1, 100_000), np.float32)
    expected = scipy_median_filter(curve, (1, 51), mode="nearest")
    np.testing.assert_array_equal(scoring.median_filter(curve, 51), expected)


@pytest.mark.parametrize("width", [-1, 0, 4])
def test_an_even_filter_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        scoring.median_filter(np.zeros((1, 5), np.float32), width)


def test_clip_score_is_the_highest_smoothed_score() -> None:
    assert scoring.clip_score(np.float32([[0.1, 0.7, 0.2], [0.3, 0.1, 0.0]])).tolist() == pytest.approx([0.7, 0.3])


def test_each_query_is_scored_by_its_own_sigmoid() -> None:
    encoded = scoring.EncodedQueries(np.eye(2, dtype=np.float32), np.float32([[10, -8], [20, -4]]))
    scores = scoring.score(encoded.evidence(np.float32([[0, 1], [0, 0.5]])), scoring.UNCALIBRATED)
    np.testing.assert_allclose(scores, expit([[-8, 2], [-4, 6]]), rtol=1e-4)
    assert scores.dtype == np.float32


def test_queries_that_share_a_sigmoid_are_scored_by_their_similarity() -> None:
    similarity = np.float32([[0.1, 0.2]])
    assert scoring.EncodedQueries(np.ones((1, 1), np.float32)).evidence(similarity) is similarity


@pytest.mark.parametrize("sigmoids", [None, np.float32([[10, -8], [9, -7], [8, -6]])])
def test_queries_that_are_split_and_joined_are_the_same_and_hold_only_themselves(sigmoids: np.ndarray | None) -> None:
    encoded = scoring.EncodedQueries(np.eye(3, dtype=np.float32), sigmoids)
    parts = encoded.split()
    assert all(part.embeddings.base is None or part.embeddings.base.size == 3 for part in parts)
    joined = scoring.EncodedQueries.join([parts[2], parts[0]])
    np.testing.assert_array_equal(joined.embeddings, encoded.embeddings[[2, 0]])
    if sigmoids is None:
        assert joined.sigmoids is None
    else:
        np.testing.assert_array_equal(joined.sigmoids, sigmoids[[2, 0]])
