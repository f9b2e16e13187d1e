"""Excerpts of recordings: which captions and events stay true when a stretch is cut out."""

from dataclasses import dataclass

from numpy.random import Generator

from training.data.example import CaptionedEvent, Example

_TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class ExcerptRecipe:
    """How recordings are cut.

    Attributes:
        length_s: an excerpt's length; a shorter recording is one whole.
        min_event_s: an event of which less is left in the excerpt is dropped, unless it was never longer.
        min_caption_share: a caption of the whole recording is kept where the excerpt holds all of its annotated events
            at least in part; where none are annotated, nothing says what was cut off, and the excerpt must hold this
            share of the recording. (TACOS' own code cuts 30 s at random and keeps every caption: the share 0.)

    Raises:
        ValueError: a length is not positive, or the share is not within 0 and 1.
    """

    length_s: float = 10.0
    min_event_s: float = 0.1
    min_caption_share: float = 0.3

    def __post_init__(self) -> None:
        if not (self.length_s > 0 and self.min_event_s > 0 and 0 <= self.min_caption_share <= 1):
            raise ValueError(f"{self}; lengths over 0 s and a share from 0 to 1 are accepted")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The stretch [onset_s, onset_s + length_s) of a recording, and what is said of it; events count from its onset."""

    onset_s: float
    length_s: float
    captions: tuple[str, ...]
    events: tuple[CaptionedEvent, ...]


def draw_excerpt(rng: Generator, example: Example, recording_s: float, recipe: ExcerptRecipe) -> Excerpt:
    """An excerpt anywhere in a recording that lasts `recording_s`, all of it equally likely."""
    latest_s = max(0.0, recording_s - recipe.length_s)
    return cut_excerpt(example, recording_s, rng.uniform(0.0, latest_s) if latest_s else 0.0, recipe)


def cut_excerpt(example: Example, recording_s: float, onset_s: float, recipe: ExcerptRecipe) -> Excerpt:
    """The excerpt of a recording from `onset_s` on, with the captions and events that are true of it.

    Events end with the recording: annotations run past it by rounding, and one that lies behind it was never heard.
    """
    length_s = min(recipe.length_s, recording_s - onset_s)
    heard = [event for event in example.events if event.onset_s < recording_s]
    kept = [part for event in heard if (part := _cut(event, recording_s, onset_s, length_s, recipe)) is not None]
    large = length_s >= recipe.min_caption_share * recording_s - _TOLERANCE_S
    said = len(kept) == len(heard) if heard else large
    return Excerpt(onset_s, length_s, example.captions if said else (), tuple(kept))


def _cut(
    event: CaptionedEvent, recording_s: float, onset_s: float, length_s: float, recipe: ExcerptRecipe
) -> CaptionedEvent | None:
    end_s = min(event.offset_s, recording_s)
    first_s, last_s = max(0.0, event.onset_s - onset_s), min(length_s, end_s - onset_s)
    if last_s - first_s < min(recipe.min_event_s, end_s - event.onset_s) - _TOLERANCE_S or last_s <= first_s:
        return None
    return CaptionedEvent(first_s, last_s, event.caption)
