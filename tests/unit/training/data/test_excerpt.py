from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.example import CaptionedEvent, Example
from training.data.excerpt import Excerpt, ExcerptRecipe, cut_excerpt, draw_excerpt

RECIPE = ExcerptRecipe(length_s=10.0, min_event_s=0.5, min_caption_share=0.3)


def example(*events: tuple[float, float], captions: tuple[str, ...] = ("a street",)) -> Example:
    named = tuple(CaptionedEvent(onset, offset, f"event {i}") for i, (onset, offset) in enumerate(events))
    return Example(Path("a.wav"), "train", captions, named)


def times(excerpt: Excerpt) -> list[tuple[float, float]]:
    return [(event.onset_s, event.offset_s) for event in excerpt.events]


def test_events_are_cut_to_the_excerpt_and_their_times_are_relative_to_it() -> None:
    excerpt = cut_excerpt(example((2, 6), (7, 9), (14, 20)), 30, 5, RECIPE)
    assert times(excerpt) == [(0, 1), (2, 4), (9, 10)]


@pytest.mark.parametrize("event", [(0, 5), (0, 5.4), (14.6, 20), (15, 20), (20, 25)])
def test_an_event_is_dropped_if_too_little_of_it_is_in_the_excerpt(event: tuple[float, float]) -> None:
    assert times(cut_excerpt(example(event), 30, 5, RECIPE)) == []


@pytest.mark.parametrize("event", [(0, 5.5), (14.5, 20), (8, 8.01)])
def test_an_event_is_kept_if_enough_of_it_or_all_of_it_is_in_the_excerpt(event: tuple[float, float]) -> None:
    assert len(cut_excerpt(example(event), 30, 5, RECIPE).events) == 1


def test_events_are_cut_at_the_end_of_the_recording_and_ignored_after_it() -> None:
    excerpt = cut_excerpt(example((3, 4.2), (4.1, 9)), 4, 0, RECIPE)
    assert times(excerpt) == [(3, 4)]
    assert excerpt.captions == ("a street",)
    assert excerpt.length_s == 4


def test_a_caption_is_kept_if_the_excerpt_contains_all_events() -> None:
    assert cut_excerpt(example((2, 6), (8, 9)), 300, 1, RECIPE).captions == ("a street",)


def test_a_caption_is_dropped_if_an_event_is_dropped() -> None:
    assert cut_excerpt(example((2, 6), (20, 21)), 30, 1, RECIPE).captions == ()


@pytest.mark.parametrize(("recording_s", "kept"), [(10, True), (33, True), (34, False)])
def test_without_events_a_caption_is_kept_if_the_excerpt_is_a_large_part_of_the_recording(
    recording_s: float, kept: bool
) -> None:
    assert bool(cut_excerpt(example(), recording_s, 0, RECIPE).captions) is kept


@pytest.mark.parametrize("wrong", [{"length_s": 0}, {"min_event_s": -1}, {"min_caption_share": 1.5}])
def test_an_invalid_recipe_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="ExcerptRecipe"):
        ExcerptRecipe(**wrong)


SECONDS = st.floats(0, 60, allow_subnormal=False)
EVENTS = st.lists(st.tuples(SECONDS, st.floats(0.001, 30)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=6)


@given(EVENTS, st.floats(0.5, 60), st.floats(0.5, 20), st.integers(0, 2**32))
def test_an_event_covers_the_same_moments_in_the_excerpt_and_in_the_recording(
    events: list[tuple[float, float]], recording_s: float, length_s: float, seed: int
) -> None:
    whole = example(*events)
    excerpt = draw_excerpt(np.random.default_rng(seed), whole, recording_s, ExcerptRecipe(length_s))
    assert 0 <= excerpt.onset_s <= excerpt.onset_s + excerpt.length_s <= recording_s + 1e-6
    assert excerpt.length_s == pytest.approx(min(length_s, recording_s))
    moments = np.linspace(0, excerpt.length_s, 50, endpoint=False)
    for event in excerpt.events:
        (original,) = (e for e in whole.events if e.caption == event.caption)
        moment = moments[(np.abs(moments - event.onset_s) > 1e-6) & (np.abs(moments - event.offset_s) > 1e-6)]
        moment_in_recording = moment + excerpt.onset_s
        np.testing.assert_array_equal(
            (moment >= event.onset_s) & (moment < event.offset_s),
            (moment_in_recording >= original.onset_s) & (moment_in_recording < original.offset_s),
        )


@given(EVENTS, st.floats(0.5, 60), st.floats(0.5, 20), st.integers(0, 2**32))
def test_the_excerpt_contains_at_most_the_minimum_of_a_dropped_event(
    events: list[tuple[float, float]], recording_s: float, length_s: float, seed: int
) -> None:
    whole, recipe = example(*events), ExcerptRecipe(length_s)
    excerpt = draw_excerpt(np.random.default_rng(seed), whole, recording_s, recipe)
    kept = {event.caption for event in excerpt.events}
    for event in whole.events:
        if event.caption not in kept:
            end_s = min(event.offset_s, excerpt.onset_s + excerpt.length_s)
            assert end_s - max(event.onset_s, excerpt.onset_s) <= recipe.min_event_s


@given(EVENTS, st.floats(0.5, 60))
def test_an_excerpt_of_a_whole_recording_keeps_all_its_captions_and_audible_events(
    events: list[tuple[float, float]], recording_s: float
) -> None:
    whole = example(*events)
    excerpt = cut_excerpt(whole, recording_s, 0.0, ExcerptRecipe(recording_s + 1))
    assert excerpt.captions == whole.captions
    assert times(excerpt) == [(on, min(off, recording_s)) for on, off in events if on < recording_s]
