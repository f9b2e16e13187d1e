import itertools
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.example import CaptionedEvent, Example, merge_touching


@pytest.mark.parametrize(
    ("onset_s", "offset_s", "caption"), [(-1, 2, "a"), (2, 2, "a"), (0, float("inf"), "a"), (0, 1, " ")]
)
def test_an_event_with_invalid_times_or_a_blank_caption_is_refused(
    onset_s: float, offset_s: float, caption: str
) -> None:
    with pytest.raises(ValueError, match=f"event from {onset_s} s"):
        CaptionedEvent(onset_s, offset_s, caption)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="train, val, test"):
        Example(Path("a.wav"), "dev")


def test_touching_and_overlapping_events_with_one_caption_are_merged() -> None:
    events = [
        CaptionedEvent(4, 5, "dog"),
        CaptionedEvent(0, 2, "dog"),
        CaptionedEvent(2, 3, "dog"),
        CaptionedEvent(0.5, 1, "dog"),
        CaptionedEvent(2.5, 4.5, "cat"),
    ]
    assert merge_touching(events) == (
        CaptionedEvent(0, 3, "dog"),
        CaptionedEvent(2.5, 4.5, "cat"),
        CaptionedEvent(4, 5, "dog"),
    )


EVENTS = st.builds(
    lambda onset, length, caption: CaptionedEvent(onset, onset + length, caption),
    st.integers(0, 30), st.integers(1, 8), st.sampled_from("ab"),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=12))
def test_merging_changes_no_second_and_leaves_a_gap_between_events(events: list[CaptionedEvent]) -> None:
    merged = merge_touching(events)

    def seconds(events: Iterable[CaptionedEvent]) -> set[tuple[int, str]]:
        return {(second, e.caption) for e in events for second in range(int(e.onset_s), int(e.offset_s))}

    assert seconds(merged) == seconds(events)
    for caption in "ab":
        of_caption = [event for event in merged if event.caption == caption]
        assert all(before.offset_s < after.onset_s for before, after in itertools.pairwise(of_caption))
