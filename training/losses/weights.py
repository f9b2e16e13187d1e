"""The `[losses]` table of a recipe: the weight of each loss in the sum that is minimized."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LossWeights:
    """The weight of each loss, 0 or more. A loss with the weight 0 is not computed.

    The `label_...` losses and `teacher_sigmoid` need scenes, whose events have labels. The `clip_...` and `region_...`
    losses work on any captioned recordings.

    Raises:
        ValueError: a weight is negative, all weights are 0, or the temperature is not positive.
    """

    label_sigmoid: float = 1.0
    """Per-frame sigmoid loss against one caption of every label."""
    label_contrastive: float = 1.0
    """Frame-wise contrastive loss against one caption of every label."""
    label_overlap: float = 0.0
    """Overlap in time of scores and events, for one caption of every label."""
    teacher_sigmoid: float = 0.0
    """Per-frame sigmoid loss against one caption of every class of the teacher, with the teacher's scores as targets."""
    clip_contrastive: float = 0.0
    """Contrastive loss between whole excerpts or scenes and the captions of a batch, as in TACOS (arXiv 2505.07609)."""
    region_contrastive: float = 0.0
    """Contrastive loss between the frames of regions and the captions of a batch, as in TACOS (arXiv 2505.07609)."""
    region_sigmoid: float = 0.0
    """Per-frame sigmoid loss against the captions of a batch, as in FLAM (arXiv 2505.05335). It also teaches absence."""
    temperature: float = 0.05
    """Divisor of the cosines in `clip_contrastive` and `region_contrastive`, above 0."""

    def __post_init__(self) -> None:
        weights = {name: getattr(self, name) for name in self.__slots__ if name != "temperature"}
        if min(weights.values()) < 0 or not any(weights.values()) or self.temperature <= 0:
            raise ValueError(
                f"{self}; weights of at least 0, at least one weight above 0, and a temperature above 0 are accepted"
            )
