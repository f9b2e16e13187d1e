"""The `[data]` table of a recipe: which recordings a run trains on, and how they are drawn."""

from dataclasses import dataclass
from pathlib import Path

from training.data.excerpt_batches import WeightedDataset


@dataclass(frozen=True, slots=True)
class DataConfig:
    """A run trains on scenes, which are mixed from the recordings of a pack, or on the annotated recordings of data sets."""

    folder: Path = Path("audio")
    """Folder of the pack whose recordings are mixed into scenes: `clips.csv` and the audio files that it lists."""
    sets: tuple[WeightedDataset, ...] = ()
    """Data sets whose annotated recordings the run trains on. If there are any, no scenes are mixed."""
    captions: Path | None = None
    """JSON Lines file with the captions of the labels. A label without an entry gets captions from a template."""
    cache: Path | None = None
    """Folder of cached maps (`training.cache_maps`) that the run trains on instead of scenes. None: scenes are mixed."""
    different: int = 0
    """Number of different scenes, which are then repeated in the same order. 0: every scene is new."""
    label_exponent: float = 0.75
    """A label with n recordings is drawn in proportion to n ** label_exponent. 1: every recording is drawn equally often;
    0: every label is drawn equally often; above 1: labels with many recordings are favoured."""
    ambiences: tuple[str, ...] = ()
    """Labels whose recordings may be mixed into the background of a whole scene (`scenes.ambience_rate`)."""
    workers: int = 1
    """Number of processes that prepare batches beside the training process. 0: the training process prepares them."""
