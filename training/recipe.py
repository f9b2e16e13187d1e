"""A training run as data: dataclasses that are filled from a TOML file.

The configuration of data, scenes, towers, teacher and losses is defined in their modules. The configuration of the training
loop is defined here.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from service.core.query_wording import NEWEST_NORMALIZER
from training.data.config import DataConfig
from training.data.excerpt import ExcerptRecipe
from training.losses.weights import LossWeights
from training.synthesis.scene import SceneRecipe
from training.synthesis.teacher import TeacherConfig
from training.towers.choice import AudioConfig
from training.towers.compact import CompactConfig
from training.towers.pyramid import TRUNK_LAYERS, PyramidConfig
from training.towers.text import TextTowerConfig

MAX_EQUALIZER_DB = 60.0
"""The largest accepted `optimization.equalizer_db`."""


@dataclass(frozen=True, slots=True)
class OptimizationConfig:
    """The training loop: AdamW, whose learning rate rises linearly and then falls along a cosine.

    A step processes a batch in `accumulate` parts, one after another, and each part is split over the processes. The losses
    of a part are computed over its items in all processes; the step takes the mean gradient of the parts. A contrastive
    loss therefore compares only captions of the same part, not all captions of the batch.
    """

    steps: int = 1000
    """Number of optimizer steps."""
    batch: int = 16
    """Items (scenes or excerpts) in each step; a multiple of `accumulate` times the number of processes."""
    accumulate: int = 1
    """Number of parts of a batch that are processed one after another, which saves memory."""
    learning_rate: float = 1e-3
    """The highest learning rate, which is reached at the end of the warm-up."""
    trunk_factor: float = 0.03
    """Factor on the learning rate of the pretrained parameters. (YAMNet's convolutions have no batch norm: they diverge with
    learning rates above 5e-5.)"""
    sigmoid_factor: float = 10.0
    """Factor on the learning rate of the sigmoid's scale and bias."""
    weight_decay: float = 0.01
    """AdamW's weight decay of matrices and filters. Norms, biases and the sigmoid's scale do not decay."""
    warmup_steps: int = 100
    """Steps in which the learning rate rises linearly."""
    decay_steps: int = 0
    """Steps of the cosine after the warm-up. 0: all remaining steps."""
    floor: float = 0.01
    """The lowest learning rate, as a fraction of `learning_rate`, from 0 to 1."""
    average: float = 0.998
    """Decay of the exponential moving average of the weights, from 0 (no average) to below 1. The averaged weights are
    evaluated and exported."""
    clip_norm: float = 1.0
    """Gradients with a larger L2 norm are scaled down to this norm."""
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    """Precision of the forward pass. fp16 scales the losses, so that small gradients do not vanish."""
    time_mask_s: float = 0.4
    """Longest masked stretch of a spectrogram in seconds (SpecAugment, arXiv 1904.08779). 0: none."""
    mel_mask_bands: int = 8
    """Largest number of masked mel bands of a spectrogram (SpecAugment). 0: none."""
    equalizer_db: float = 0.0
    """Largest gain in dB of the random curves that equalize half of the spectrograms of a pyramid tower. 0: none."""
    map_noise: float = 0.0
    """Standard deviation of the noise on cached maps, which have unit deviation."""
    map_dropout: float = 0.0
    """Probability that a channel of cached maps is removed from a scene, from 0 to below 1."""
    sentence_noise: float = 0.01
    """Standard deviation of the noise on each channel of a sentence embedding, which has unit norm. Because of the noise, the
    projection learns neighbourhoods instead of points."""
    checkpoint_every_s: float = 120.0
    """Time between two checkpoints, in seconds."""


@dataclass(frozen=True, slots=True)
class ValidationConfig:
    """Validation on recordings of the `val` split, which the run does not train on."""

    clips: int = 0
    """Number of scenes, or of recordings of data sets, that a run is validated on. 0: there is no validation."""
    every_steps: int = 0
    """Steps between two validations during the run; the weights with the best score are kept in `best.pt`. 0: the run is
    validated at its end only."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines a training run; every checkpoint contains its recipe."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    """Name of the model."""
    version: str = "0"
    """Version of the model."""
    seed: int = 0
    """Seed of all random draws of the run: see `training.seeds`."""
    start: Path | None = None
    """Weights that the run starts from, instead of a warm start: the checkpoint of an earlier run, or the folder of a bundle
    with a compact or a pyramid tower and a frozen sentence encoder."""
    centred: bool = True
    """Whether the model subtracts the query's similarity with the mean frame from each similarity of the query: see
    `training.model`."""
    data: DataConfig = field(default_factory=DataConfig)
    """The recordings."""
    excerpts: ExcerptRecipe = field(default_factory=ExcerptRecipe)
    """How excerpts are cut from the recordings of data sets."""
    scenes: SceneRecipe = field(default_factory=SceneRecipe)
    """How scenes are mixed from the recordings of a pack."""
    audio: AudioConfig = field(default_factory=CompactConfig)
    """The audio tower; `kind` selects one of the towers in `training.towers`."""
    text: TextTowerConfig = field(default_factory=TextTowerConfig)
    """The text tower."""
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    """The teacher, whose scores are targets; YAMNet is the pretrained weights of a compact tower, too."""
    losses: LossWeights = field(default_factory=LossWeights)
    """The weights of the losses."""
    optimization: OptimizationConfig = field(default_factory=OptimizationConfig)
    """The training loop."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """Validation during and after the run."""

    def __post_init__(self) -> None:
        version = self.text.query_normalizer_version
        if not 0 <= version <= NEWEST_NORMALIZER:
            raise ValueError(
                f"text.query_normalizer_version is {version}; an integer from 0 to {NEWEST_NORMALIZER} is accepted"
            )
        if self.teacher.folder and not isinstance(self.audio, CompactConfig | PyramidConfig):
            raise ValueError(
                f"audio.kind is {self.audio.kind!r}; with teacher.folder only 'compact' and 'pyramid' are accepted, "
                "because two of their frames last as long as one frame of the teacher"
            )
        if self.teacher.kind != "yamnet" and isinstance(self.audio, CompactConfig):
            raise ValueError(
                f"teacher.kind is {self.teacher.kind!r}; with audio.kind 'compact' only 'yamnet' is accepted, because the "
                "compact tower starts from the weights of its teacher"
            )
        if self.data.cache and not isinstance(self.audio, PyramidConfig):
            raise ValueError(f"audio.kind is {self.audio.kind!r}; with data.cache only 'pyramid' is accepted")
        if self.data.cache and isinstance(self.audio, PyramidConfig) and self.audio.frozen_layers < TRUNK_LAYERS:
            raise ValueError(
                f"audio.frozen_layers is {self.audio.frozen_layers}; with data.cache only {TRUNK_LAYERS} is accepted, because "
                "cached maps train no layer of the trunk"
            )
        if self.optimization.equalizer_db and not isinstance(self.audio, PyramidConfig):
            raise ValueError(
                f"audio.kind is {self.audio.kind!r}; with optimization.equalizer_db only 'pyramid' is accepted"
            )
        if not 0 <= self.optimization.equalizer_db <= MAX_EQUALIZER_DB:
            raise ValueError(
                f"optimization.equalizer_db is {self.optimization.equalizer_db}; 0 to {MAX_EQUALIZER_DB:g} is accepted"
            )
        self._check_pool()
        if self.losses.teacher_sigmoid and not self.teacher.folder:
            raise ValueError("losses.teacher_sigmoid needs a teacher: set teacher.folder")
        scene_losses = [name for name in self.losses.__slots__ if name.startswith(("label_", "teacher_"))]
        positive = [name for name in scene_losses if getattr(self.losses, name)]
        if self.data.sets and positive:
            raise ValueError(f"data.sets have no labels: losses.{positive[0]} needs scenes; 0 is accepted")

    def _check_pool(self) -> None:
        """Raises ValueError if the run cannot draw from a pool."""
        pool = self.data.pool
        if pool.scenes < 0 or not 0 <= pool.roll_rate <= 1:
            raise ValueError(f"{pool}; at least 0 scenes and a roll_rate from 0 to 1 are accepted")
        if not pool.scenes:
            return
        if not 0 < pool.fresh <= pool.scenes:
            raise ValueError(f"data.pool.fresh is {pool.fresh}; 1 to data.pool.scenes, {pool.scenes}, is accepted")
        if not isinstance(self.audio, CompactConfig | PyramidConfig):
            raise ValueError(
                f"audio.kind is {self.audio.kind!r}; with data.pool only 'compact' and 'pyramid' are accepted"
            )
        if self.data.sets or self.data.cache:
            raise ValueError(
                "data.pool holds scenes of data.folder; with data.sets or data.cache only 0 scenes are accepted"
            )
        others = [
            name for name in ("clip_contrastive", "region_contrastive", "region_sigmoid") if getattr(self.losses, name)
        ]
        if others:
            raise ValueError(f"losses.{others[0]} needs captions, which data.pool does not keep; 0 is accepted")

    @property
    def needs_teacher_scores(self) -> bool:
        """Whether the run needs the teacher's scores or features, and not only YAMNet's weights."""
        warm = self.start is None and self.teacher.warm_start_steps > 0
        return self.teacher.folder is not None and (warm or self.losses.teacher_sigmoid > 0)

    @property
    def pretrained(self) -> Path | None:
        """The file of the public weights that the audio tower starts from, or None for random weights."""
        if isinstance(self.audio, CompactConfig):
            return self.teacher.folder / "yamnet.safetensors" if self.teacher.folder else None
        return self.audio.pretrained


_ADAPTER = TypeAdapter(Recipe)


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values.

    Raises:
        ValueError: a key is unknown, or a value has the wrong type or is out of range; the message names the key.
    """
    return _ADAPTER.validate_python(values)


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values that JSON can represent."""
    return _ADAPTER.dump_python(recipe, mode="json")


def read_recipe(file: Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from a TOML file.

    `base = "other.toml"` names another recipe file in the same folder; its values are the defaults, and this recipe
    overrides some of them.

    Args:
        file: the TOML file.
        overrides: `section.key=value` each. Values are TOML; a bare word is a string.

    Raises:
        ValueError: an override has another form, or the recipe is invalid.
    """
    values = _read_values(file)
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals:
            raise ValueError(f"override {override!r}; section.key=value is accepted")
        *sections, key = path.split(".")
        table = values
        for section in sections:
            table = table.setdefault(section, {})
        table[key] = _toml_value(value)
    return recipe_from_dict(values)


def _read_values(file: Path) -> dict[str, Any]:
    """The values of a recipe file, merged with the values of its `base`."""
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    base = values.pop("base", None)
    return _merged(_read_values(file.parent / base), values) if base else values


def _merged(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """`base`, with its values replaced by `values`; tables are merged key by key."""
    tables = {
        k: _merged(base[k], v) for k, v in values.items() if isinstance(v, dict) and isinstance(base.get(k), dict)
    }
    return base | values | tables


def _toml_value(text: str) -> Any:
    """A TOML value; text that is not valid TOML is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
