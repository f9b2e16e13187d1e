"""Cuts excerpts out of recordings, and selects the captions and events that describe an excerpt."""

from dataclasses import dataclass

from numpy.random import Generator

from training.data.example import CaptionedEvent, Example

_TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class ExcerptRecipe:
    """Settings of the cutting of excerpts.

    Attributes:
        length_s: length of an excerpt, in seconds. A shorter recording is used whole.
        min_event_s: shortest part of an event that is kept, in seconds. An event is dropped if a shorter part of it is in
            the excerpt, unless the whole event is in the excerpt.
        min_caption_share: for recordings without events: captions are kept if the excerpt lasts at least this fraction of
            the recording. (For recordings with events, captions are kept if a part of every event is kept. The
            published code of TACOS cuts 30 s at random and keeps every caption, which corresponds to 0.)

    Raises:
        ValueError: A length is not positive, or the share is not in [0, 1].
    """

    length_s: float = 10.0
    min_event_s: float = 0.1
    min_caption_share: float = 0.3

    def __post_init__(self) -> None:
        if not (self.length_s > 0 and self.min_event_s > 0 and 0 <= self.min_caption_share <= 1):
            raise ValueError(f"{self}; lengths over 0 s and a share from 0 to 1 are accepted")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The interval [onset_s, onset_s + length_s) of a recording, with the captions and events that describe it.

    The times of `events` are relative to the start of the excerpt.
    """

    onset_s: float
    length_s: float
    captions: tuple[str, ...]
    events: tuple[CaptionedEvent, ...]


def draw_excerpt(rng: Generator, example: Example, recording_s: float, recipe: ExcerptRecipe) -> Excerpt:
    """Cuts an excerpt at a uniformly random position of a recording that is `recording_s` seconds long."""
    latest_s = max(0.0, recording_s - recipe.length_s)
    return cut_excerpt(example, recording_s, rng.uniform(0.0, latest_s) if latest_s else 0.0, recipe)


def cut_excerpt(example: Example, recording_s: float, onset_s: float, recipe: ExcerptRecipe) -> Excerpt:
    """Cuts the excerpt that starts at `onset_s`, and keeps the captions and events that describe it.

    Events are cut at the end of the recording, because rounding puts some offsets after it. An event that starts after
    the end of the recording is ignored.
    """
    length_s = min(recipe.length_s, recording_s - onset_s)
    audible = [event for event in example.events if event.onset_s < recording_s]
    kept = [part for event in audible if (part := _cut_event(event, recording_s, onset_s, length_s, recipe))]
    is_large_part = length_s >= recipe.min_caption_share * recording_s - _TOLERANCE_S
    captions_apply = len(kept) == len(audible) if audible else is_large_part
    return Excerpt(onset_s, length_s, example.captions if captions_apply else (), tuple(kept))


def _cut_event(
    event: CaptionedEvent, recording_s: float, onset_s: float, length_s: float, recipe: ExcerptRecipe
) -> CaptionedEvent | None:
    """The part of an event inside the excerpt [onset_s, onset_s + length_s), or None if too little of it remains."""
    end_s = min(event.offset_s, recording_s)
    first_s, last_s = max(0.0, event.onset_s - onset_s), min(length_s, end_s - onset_s)
    if last_s - first_s < min(recipe.min_event_s, end_s - event.onset_s) - _TOLERANCE_S or last_s <= first_s:
        return None
    return CaptionedEvent(first_s, last_s, event.caption)
