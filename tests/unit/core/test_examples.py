import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from service.core import examples, scoring
from service.core.examples import ExampleFrames, learn_query, with_sigmoids
from service.core.scoring import Calibration, EncodedQueries

CALIBRATION = Calibration(scale=14.0, bias=-5.0)
D = 24


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def _sounds(n_frames: int, centre: np.ndarray, seed: int, noise: float = 0.6) -> np.ndarray:
    return _unit(centre + noise * np.random.default_rng(seed).normal(size=(n_frames, D)) / np.sqrt(D))


CENTRES = _unit(np.random.default_rng(0).normal(size=(6, D)) + 1.5 * np.random.default_rng(1).normal(size=D))
NOTHING = np.zeros((0, D), np.float32)


def _scores(query: EncodedQueries, frames: np.ndarray) -> np.ndarray:
    return scoring.score(query.evidence(scoring.similarity(frames, query.embeddings)), CALIBRATION)[0]


def _background(seed: int) -> np.ndarray:
    return np.concatenate([_sounds(100, centre, seed + i) for i, centre in enumerate(CENTRES[1:])])


def test_one_example_finds_other_frames_of_its_sound_and_not_the_background() -> None:
    query = learn_query(ExampleFrames(_sounds(20, CENTRES[0], 5), NOTHING, _background(7)), CALIBRATION)
    assert (_scores(query, _sounds(200, CENTRES[0], 90)) > 0.5).mean() > 0.95
    assert (_scores(query, _background(80)) > 0.5).mean() < 0.05


def test_negative_examples_take_their_sound_away() -> None:
    positive = np.concatenate([_sounds(20, centre, 3) for centre in CENTRES[:2]])
    without = learn_query(ExampleFrames(positive, NOTHING, _background(7)[200:]), CALIBRATION)
    negative = _sounds(20, CENTRES[1], 4)
    refined = learn_query(ExampleFrames(_sounds(20, CENTRES[0], 3), negative, _background(7)[200:]), CALIBRATION)
    other = _sounds(100, CENTRES[1], 33)
    assert _scores(without, other).mean() > 0.5 > _scores(refined, other).mean()


def test_words_are_the_start_and_examples_refine_them() -> None:
    words = EncodedQueries(CENTRES[:1] * np.float32(1))
    query = learn_query(ExampleFrames(_sounds(3, CENTRES[1], 5), NOTHING, _background(7)[200:]), CALIBRATION, words)
    plain = learn_query(ExampleFrames(_sounds(3, CENTRES[1], 5), NOTHING, _background(7)[200:]), CALIBRATION)
    assert query.embeddings[0] @ CENTRES[0] > plain.embeddings[0] @ CENTRES[0]
    examples.PENALTY, kept = 1e9, examples.PENALTY
    try:  # an infinite penalty leaves the words as they are
        same = learn_query(ExampleFrames(_sounds(3, CENTRES[0], 5), NOTHING, NOTHING), CALIBRATION, words)
    finally:
        examples.PENALTY = kept
    np.testing.assert_allclose(same.embeddings, words.embeddings, atol=1e-5)


def test_background_frames_of_the_same_sound_are_left_out() -> None:
    positive, background = _sounds(50, CENTRES[0], 5), np.concatenate([_background(7), _sounds(100, CENTRES[0], 6)])
    query = learn_query(ExampleFrames(positive, NOTHING, background), CALIBRATION)
    assert (_scores(query, _sounds(200, CENTRES[0], 90)) > 0.5).mean() > 0.8


def test_the_fit_is_the_minimum_that_scipy_finds() -> None:
    frames = np.concatenate([_sounds(30, CENTRES[0], 1), _background(2)]).astype(np.float64)
    is_positive, start = np.arange(len(frames)) < 30, np.append(np.ones(D), 0.5)
    weights = examples._weights(30, 0, len(frames) - 30)
    inputs = np.concatenate([frames, np.ones((len(frames), 1))], axis=1)
    penalty = np.append(np.full(D, examples.PENALTY), examples._BIAS_PENALTY)

    def loss(learnt: np.ndarray) -> float:
        margins = np.where(is_positive, 1, -1) * (inputs @ learnt)
        return weights @ np.logaddexp(0, -margins) + 0.5 * penalty @ (learnt - start) ** 2

    expected = minimize(loss, start, method="BFGS", options={"gtol": 1e-9, "maxiter": 5_000})
    learnt = examples._fit(frames, is_positive, weights, start)
    assert loss(learnt) == pytest.approx(expected.fun, abs=1e-6)


@example(n_positive=2, n_negative=547, n_background=0, has_words=False, seed=13)  # nothing can be learnt
@settings(max_examples=60)
@given(st.integers(1, 700), st.integers(0, 700), st.integers(0, 700), st.booleans(), st.integers(0, 99))
def test_any_number_of_frames_gives_a_finite_query(
    n_positive: int, n_negative: int, n_background: int, has_words: bool, seed: int
) -> None:
    same = np.tile(CENTRES[:1], (n_positive, 1))  # equal frames, also equal to the negative ones
    frames = ExampleFrames(same, np.tile(CENTRES[:1], (n_negative, 1)), _sounds(n_background, CENTRES[2], seed))
    query = learn_query(frames, CALIBRATION, EncodedQueries(CENTRES[3:4]) if has_words else None)
    assert query.embeddings.shape == (1, D)
    assert query.sigmoids is not None
    assert np.isfinite(query.sigmoids).all()
    assert np.linalg.norm(query.embeddings) == pytest.approx(1, abs=1e-4)


def test_queries_in_words_can_be_joined_with_learnt_ones() -> None:
    words = EncodedQueries(CENTRES[:2])
    frames = _background(3)
    joined = with_sigmoids(words)
    np.testing.assert_array_equal(
        joined.evidence(scoring.similarity(frames, joined.embeddings)),
        words.evidence(scoring.similarity(frames, words.embeddings)),
    )
    assert with_sigmoids(joined) is joined
