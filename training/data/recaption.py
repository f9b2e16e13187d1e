"""The `[data.recaption]` table of a recipe: captions that are drawn anew for each batch of cached maps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecaptionConfig:
    """Whether and how the captions of cached scenes are drawn anew.

    Raises:
        ValueError: `ambience_rate` is outside of 0 to 1, or below 1 for captions that are not drawn anew.
    """

    each_batch: bool = False
    """Whether each batch draws one caption for each label that is heard in it, and all events of the label in the batch get
    this caption. Losses that compare the captions of a batch then never take another caption of the same label as false.
    False: the captions of the cache."""
    ambience_rate: float = 1.0
    """Probability that a scene's ambience is captioned. In the other scenes no caption mentions the ambience, and its frames
    belong to no event. A scene keeps its draw for the whole run."""

    def __post_init__(self) -> None:
        if not 0 <= self.ambience_rate <= 1:
            raise ValueError(f"ambience_rate is {self.ambience_rate}; 0 to 1 is accepted")
        if self.ambience_rate < 1 and not self.each_batch:
            raise ValueError(f"ambience_rate is {self.ambience_rate}; with each_batch = false only 1 is accepted")
