import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.evaluation.test_against_sed_scores_eval import GRID, LABELS, N_CLIPS, SETTINGS, draw
from training.evaluation.metrics import compute_figures
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, bootstrap_weights, merged_events
from training.evaluation.streamed_scores import StreamedScores


def streamed(queries: ScoredQueries, shift: float = 0.0) -> StreamedScores:
    """The scores of a set, added clip by clip and shifted."""
    scores = StreamedScores(len(queries.labels), io.BytesIO())
    for clip in range(queries.n_clips):
        of_clip = [query for query in queries.queries if query.clip == clip]
        curves = np.stack([query.curve for query in of_clip]).astype(np.float32) + np.float32(shift)
        scores.add(curves, of_clip[0].edges_s, of_clip[0].events)
    return scores


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), shift=st.sampled_from([0.0, -0.5]))
def test_the_figures_are_those_of_the_whole_set_in_memory_whatever_the_range_of_the_scores(
    seed: int, shift: float
) -> None:
    queries, _, _ = draw(seed)
    expected = compute_figures(queries, GRID, np.ones((N_CLIPS, 1)), SETTINGS)
    figures = streamed(queries, shift).figures()
    assert figures.psds1.by_label == pytest.approx(expected.by_label["psds1"], abs=1e-12)
    assert figures.psds1.mean == pytest.approx(expected.overall["psds1_macro"], abs=1e-12)
    assert figures.psds1.mean_minus_std == pytest.approx(expected.overall["psds1"], abs=1e-6)
    assert figures.partial_auroc.by_label == pytest.approx(expected.by_label["partial_auroc"], abs=1e-12)


def test_resamples_weight_the_clips() -> None:
    queries, _, _ = draw(5)
    weights = bootstrap_weights(N_CLIPS, 10, seed=1)
    expected = compute_figures(queries, GRID, weights, SETTINGS)
    figures = streamed(queries).figures(weights)
    assert figures.psds1.mean == pytest.approx(expected.overall["psds1_macro"], abs=1e-12, nan_ok=True)
    assert figures.partial_auroc.mean == pytest.approx(expected.overall["partial_auroc"], abs=1e-12, nan_ok=True)


def noisy_set(n_clips: int) -> ScoredQueries:
    """Clips of 4 s; the label has an event and a bump in every tenth, so most false positives are beyond the area."""
    rng, edges_s = np.random.default_rng(0), GRID.edges(100, 4.0)
    queries: list[ScoredQuery] = []
    for clip in range(n_clips):
        curve = np.convolve(rng.random(108), np.ones(9) / 9, "valid") * 0.5
        events = {0: merged_events([(1.0, 2.0)])} if clip % 10 == 0 else {}
        if events:
            curve[25:50] += rng.uniform(-0.1, 0.3)
        queries.append(ScoredQuery(clip, 0, curve.astype(np.float32), edges_s, events))
    return ScoredQueries(("dog",), tuple(queries), n_clips)


def test_scores_below_the_floor_change_nothing() -> None:
    queries = noisy_set(600)  # 40 minutes: the floor is below 66 clips without the label
    scores = streamed(queries)
    assert scores._floors(2400.0, 1.0)[0] > 0.3
    expected = compute_figures(queries, GRID, np.ones((600, 1)), SETTINGS[:1])
    assert scores.figures().psds1.mean == pytest.approx(expected.overall["psds1_macro"], abs=1e-12)
    assert 0.05 < expected.overall["psds1_macro"][0] < 0.95
    weights = bootstrap_weights(600, 5, seed=2)
    expected = compute_figures(queries, GRID, weights, SETTINGS[:1])
    assert scores.figures(weights).psds1.mean == pytest.approx(expected.overall["psds1_macro"], abs=1e-12)


def test_a_label_without_an_event_has_no_figure_and_clips_may_differ_in_length() -> None:
    scores = StreamedScores(2, io.BytesIO())
    for n_frames in (25, 60):
        curves = np.zeros((2, n_frames), np.float32)
        curves[0, 5:10] = 0.5
        scores.add(curves, GRID.edges(n_frames, n_frames * 0.04), {0: merged_events([(0.2, 0.4)])})
    figures = scores.figures()
    assert figures.psds1.by_label[0, 0] == 1.0
    assert np.isnan(figures.psds1.by_label[1, 0])
    assert figures.psds1.mean[0] == 1.0
    assert (scores.n_clips, scores.has_events) == (2, True)


def test_unsuitable_scores_are_refused() -> None:
    scores = StreamedScores(len(LABELS), io.BytesIO())
    edges_s = GRID.edges(25, 1.0)
    for wrong in (np.zeros((2, 25), np.float32), np.zeros((3, 24), np.float32), np.full((3, 25), np.nan, np.float32)):
        with pytest.raises(ValueError, match=r"finite scores \(3, 25\) are accepted"):
            scores.add(wrong, edges_s, {})
    with pytest.raises(ValueError, match="at least one clip is needed"):
        scores.figures()
