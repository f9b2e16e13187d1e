"""A training run as data: dataclasses filled from a TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from training.data.excerpt import ExcerptRecipe
from training.data.excerpt_batches import WeightedDataset
from training.synthesis.scene import SceneRecipe
from training.towers.choice import AudioConfig
from training.towers.compact import CompactConfig
from training.towers.text import TextTowerConfig


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where the recordings are and how they are drawn.

    A label with n recordings is drawn in proportion to n ** `label_exponent` (1: every recording equally often; 0: every
    label). `ambiences` are labels whose recordings may lie behind a whole scene. `captions` names the caption
    files: those of the labels, and those of the teacher's classes. After so many `different` soundscapes (0: never) they
    come again. Where there are data `sets`, the run trains on their annotated recordings, and not on soundscapes over the pack
    in `folder`.
    """

    folder: Path = Path("audio")
    sets: tuple[WeightedDataset, ...] = ()
    captions: Path | None = None
    different: int = 0
    label_exponent: float = 0.75
    ambiences: tuple[str, ...] = ()
    workers: int = 1


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """YAMNet as a start and as a teacher: a folder with `yamnet.safetensors` and `yamnet_class_map.csv`, or none.

    Before the soundscapes, the maps into the shared space learn for `warm_start_steps` from YAMNet's features of the
    clean recordings, which takes two minutes.
    """

    folder: Path | None = None
    warm_start_steps: int = 800
    captions: Path | None = None


@dataclass(frozen=True, slots=True)
class LossWeights:
    """What each loss counts; one that counts nothing is not computed.

    Of soundscapes, whose events have labels, against one caption of every label: the per-frame sigmoid, the frame-wise
    contrastive loss, and the overlap in time (`label_...`); and against the classes of a teacher (`teacher_sigmoid`).

    Of any captioned recordings, against the captions of the batch: TACOS' (arXiv 2505.07609) of clips and of the frames of
    regions, whose cosines are divided by `temperature` (`..._contrastive`); and the per-frame sigmoid of FLAM
    (arXiv 2505.05335), which teaches absence too (`region_sigmoid`).

    Raises:
        ValueError: a weight is negative, all are 0, or the temperature is not positive.
    """

    label_sigmoid: float = 1.0
    label_contrastive: float = 1.0
    label_overlap: float = 0.0
    teacher_sigmoid: float = 0.0
    clip_contrastive: float = 0.0
    region_contrastive: float = 0.0
    region_sigmoid: float = 0.0
    temperature: float = 0.05

    def __post_init__(self) -> None:
        weights = {name: getattr(self, name) for name in self.__slots__ if name != "temperature"}
        if min(weights.values()) < 0 or not any(weights.values()) or self.temperature <= 0:
            raise ValueError(
                f"{self}; weights of 0 and more, one of them positive, and a temperature over 0 are accepted"
            )


@dataclass(frozen=True, slots=True)
class OptimizationConfig:
    """The loop: AdamW with a linear warm-up and a cosine over `decay_steps` (all that are left, if 0) to `floor` of the rate.

    A step sees `batch` items, in `accumulate` parts one after another, and each part in as many as there are processes. A
    part's losses are computed over what it holds in all processes, and the step follows their mean over the parts: a
    contrastive loss tells apart the captions of a part, not of the whole batch. `precision` is bf16, fp16 (with scaled
    losses) or fp32. `average` is the decay of the average of the weights, which is what is evaluated and served.

    `trunk_factor` and `sigmoid_factor` scale the rate of the pretrained convolutions (which have no batch norm: beyond
    5e-5 they fall apart) and of the sigmoid's scale and bias.
    """

    steps: int = 1000
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    trunk_factor: float = 0.03
    sigmoid_factor: float = 10.0
    weight_decay: float = 0.01
    warmup_steps: int = 100
    decay_steps: int = 0
    floor: float = 0.01
    average: float = 0.998
    clip_norm: float = 1.0
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    time_mask_s: float = 0.4
    mel_mask_bands: int = 8
    sentence_noise: float = 0.01
    checkpoint_every_s: float = 120.0


@dataclass(frozen=True, slots=True)
class ValidationConfig:
    """On how many clips of the `val` split a run is measured at its end (0: on none), and also every so many steps (0: not).

    The weights that were best are kept beside the last ones.
    """

    clips: int = 0
    every_steps: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that makes a run; saved in its checkpoints.

    `start` is the checkpoint of an earlier run, or the folder of a bundle (of a compact tower and a frozen encoder), whose
    weights this one begins with in place of a warm start. `audio` is one of the towers of `training.towers`, by its
    `kind`. A `centred` model takes off what a query has in common with every sound: see `training.model`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    version: str = "0"
    seed: int = 0
    start: Path | None = None
    centred: bool = True
    data: DataConfig = field(default_factory=DataConfig)
    excerpts: ExcerptRecipe = field(default_factory=ExcerptRecipe)
    scenes: SceneRecipe = field(default_factory=SceneRecipe)
    audio: AudioConfig = field(default_factory=CompactConfig)
    text: TextTowerConfig = field(default_factory=TextTowerConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    optimization: OptimizationConfig = field(default_factory=OptimizationConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        if self.teacher.folder and not isinstance(self.audio, CompactConfig):
            raise ValueError(
                f"audio.kind is {self.audio.kind!r}; a teacher needs 'compact', whose frames are half its own"
            )
        if self.losses.teacher_sigmoid and not self.teacher.folder:
            raise ValueError("losses.teacher_sigmoid needs a teacher: set teacher.folder")
        of_labels = [name for name in self.losses.__slots__ if name.startswith(("label_", "teacher_"))]
        wanted = [name for name in of_labels if getattr(self.losses, name)]
        if self.data.sets and wanted:
            raise ValueError(f"data.sets have no labels: losses.{wanted[0]} needs soundscapes; 0 is accepted")

    @property
    def teaches(self) -> bool:
        """Whether the teacher's scores or features are needed, and not its weights alone."""
        warm = self.start is None and self.teacher.warm_start_steps > 0
        return self.teacher.folder is not None and (warm or self.losses.teacher_sigmoid > 0)

    @property
    def pretrained(self) -> Path | None:
        """The public weights that the audio tower begins with, if any."""
        if isinstance(self.audio, CompactConfig):
            return self.teacher.folder / "yamnet.safetensors" if self.teacher.folder else None
        return self.audio.pretrained


_ADAPTER = TypeAdapter(Recipe)


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values. Raises pydantic.ValidationError, which names what is unknown or of the wrong type."""
    return _ADAPTER.validate_python(values)


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain values that JSON could hold."""
    return _ADAPTER.dump_python(recipe, mode="json")


def read_recipe(file: Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from TOML, with `section.key=value` overrides (values are TOML too; bare words are strings).

    `base` names a recipe beside this one, of which this one says what is different.

    Raises:
        ValueError: an override is not of that form, or the recipe is invalid.
    """
    values = _read_values(file)
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals:
            raise ValueError(f"override {override!r}: section.key=value is accepted")
        *sections, key = path.split(".")
        target = values
        for section in sections:
            target = target.setdefault(section, {})
        target[key] = _toml_value(value)
    return recipe_from_dict(values)


def _read_values(file: Path) -> dict[str, Any]:
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    base = values.pop("base", None)
    return _merged(_read_values(file.parent / base), values) if base else values


def _merged(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """`base` with `values` in place of its own, table by table."""
    tables = {
        k: _merged(base[k], v) for k, v in values.items() if isinstance(v, dict) and isinstance(base.get(k), dict)
    }
    return base | values | tables


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
