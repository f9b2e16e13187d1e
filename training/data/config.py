"""The `[data]` table of a recipe: which recordings a run trains on, and how they are drawn."""

from dataclasses import dataclass, field
from pathlib import Path

from training.data.excerpt_batches import WeightedDataset
from training.data.recaption import RecaptionConfig
from training.data.scene_pool import PoolConfig
from training.data.wording import WordingConfig


@dataclass(frozen=True, slots=True)
class AbsentConfig:
    """Captions that are trained as absent, beside the captions of labels."""

    captions: Path | None = None
    """CSV file with a column `caption` or `phrase`, and `split`: real captions of other recordings. None: no real captions."""
    count: int = 8000
    """Largest number of real captions, drawn at random from the file once."""
    one_word: bool = False
    """Whether captions of labels in which one word is replaced are trained as absent, too."""
    per_step: int = 0
    """Number of absent captions in each training step, of each kind. 0: none."""


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
    recaption: RecaptionConfig = field(default_factory=RecaptionConfig)
    """Captions of the cached scenes that are drawn anew for each batch."""
    wording: WordingConfig = field(default_factory=WordingConfig)
    """Other wordings of the labels' captions."""
    absent: AbsentConfig = field(default_factory=AbsentConfig)
    """Captions that are trained as absent from every scene in which they cannot be true."""
    confusions: Path | None = None
    """File of `training.mine_rivals`: labels that an earlier model confuses are rivals in `[scenes.world]`, too."""
    pool: PoolConfig = field(default_factory=PoolConfig)
    """A pool of the newest scenes, from which each scene is drawn several times."""
    different: int = 0
    """Number of different scenes, which are then repeated in the same order. 0: every scene is new."""
    label_exponent: float = 0.75
    """A label with n recordings is drawn in proportion to n ** label_exponent. 1: every recording is drawn equally often;
    0: every label is drawn equally often; above 1: labels with many recordings are favoured."""
    ambiences: tuple[str, ...] = ()
    """Labels whose recordings may be mixed into the background of a whole scene (`scenes.ambience_rate`)."""
    workers: int = 1
    """Number of processes that prepare batches beside the training process. 0: the training process prepares them."""
