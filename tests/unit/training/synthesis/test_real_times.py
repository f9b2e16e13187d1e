from pathlib import Path

import numpy as np
import pytest

from training.synthesis.real_times import (
    FILE,
    RealTimes,
    is_background,
    main,
    measure_real_times,
    read_real_times,
    sources_of_clips,
)


def rows(clip: str, phrase: str, *times: tuple[float, float]) -> list[dict[str, str]]:
    return [{"clip": clip, "phrase": phrase, "onset_s": str(a), "offset_s": str(b)} for a, b in times]


def test_touching_times_of_a_phrase_are_merged_and_phrases_with_the_same_times_are_one_source() -> None:
    table = [
        *rows("a", "a dog", (0.0, 1.0), (1.0, 2.0), (5.0, 6.0)),
        *rows("a", "a dog barks", (0.05, 2.0), (5.0, 6.0)),
        *rows("a", "wind", (0.0, 10.02)),
        *rows("b", "an error", (3.0, 3.0)),
    ]
    assert sources_of_clips(table) == [[[(0.0, 2.0), (5.0, 6.0)], [(0.0, 10.0)]]]


def test_a_background_is_a_source_that_is_heard_nearly_all_the_time() -> None:
    assert is_background([(0.5, 10.0)])
    assert not is_background([(0.0, 5.0), (5.5, 10.0)])


def test_counts_lengths_pauses_and_onsets_are_measured_without_backgrounds() -> None:
    table = [
        *rows("a", "a dog", (1.0, 2.0), (5.0, 6.0)),
        *rows("a", "wind", (0.0, 10.0)),
        *rows("b", "rain", (0.0, 10.0)),
    ]
    times = measure_real_times(table)
    assert times.backgrounds[:2] == (0.0, 1.0)
    assert times.sources[:2] == (0.5, 0.5)
    assert times.occurrences[:3] == (0.0, 1.0, 0.0)
    assert set(times.length_s[1]) == {1.0}
    assert set(times.pause_s[1]) == {3.0}
    assert set(times.onset_s[1]) == {1.0}


def fixed_times(occurrences: tuple[float, ...]) -> RealTimes:
    """Sources that start at 1 s, last 1 s and pause for 3 s."""
    return RealTimes(
        (0.0, 1.0), (0.0, 0.0, 1.0), occurrences, ((1.0,) * 21,) * 3, ((3.0,) * 21,) * 3, ((1.0,) * 21,) * 3
    )


def test_the_times_of_a_source_follow_the_tables_and_are_scaled_to_the_scene() -> None:
    times, rng = fixed_times((0.0, 0.0, 1.0)), np.random.default_rng(0)
    assert times.draw_source(rng, 10.0) == [(1.0, 2.0), (5.0, 6.0), (9.0, 10.0)]
    assert times.draw_source(rng, 5.0) == [(0.5, 1.0), (2.5, 3.0), (4.5, 5.0)]
    assert (times.draw_backgrounds(rng), times.draw_sources(rng)) == (1, 2)


@pytest.mark.parametrize("seed", range(30))
def test_drawn_times_are_in_order_apart_and_within_the_scene(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = [edge for time in read_real_times().draw_source(rng, 4.0) for edge in time]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= 4.0
    assert len(set(edges)) == len(edges)


def test_the_committed_tables_are_distributions() -> None:
    times = read_real_times()
    for probabilities in (times.backgrounds, times.sources, times.occurrences):
        assert sum(probabilities) == pytest.approx(1, abs=0.001)
    for table in (times.length_s, times.pause_s[1:], times.onset_s):
        assert all(len(row) == 21 and list(row) == sorted(row) for row in table)


def test_the_command_writes_tables_that_can_be_read(tmp_path: Path) -> None:
    table = "clip,phrase,onset_s,offset_s\na,a dog,1.0,2.0\na,a dog,5.0,6.0\na,a cat,7.0,8.0\n"
    (tmp_path / "phrases.csv").write_text(table, encoding="utf-8")
    main([str(tmp_path / "phrases.csv"), "--out", str(tmp_path / FILE.name)])
    assert read_real_times(tmp_path / FILE.name).occurrences[:2] == (0.5, 0.5)
