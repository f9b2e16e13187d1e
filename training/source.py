"""The source of a run's batches: scenes mixed from the recordings of a pack, or excerpts of data sets."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from torch.utils.data import Dataset

from service.core.frame_grid import FrameGrid
from training.data.batch import CaptionedBatch
from training.data.captions import captions_for_labels, read_label_captions
from training.data.excerpt import ExcerptRecipe
from training.data.excerpt_batches import ExamplePool, ExcerptBatches, read_example_pools
from training.data.pack import AudioStore, Recording, read_pack_table
from training.data.wording import reworded
from training.recipe import Recipe
from training.synthesis.absent import build_absent
from training.synthesis.map_cache import CachedSource
from training.synthesis.scene_source import SceneRecordings, SceneSource
from training.synthesis.teachers import teacher_classes, teacher_scores
from training.synthesis.vocabulary import Vocabulary, build_vocabulary
from training.towers.choice import tower_class
from training.towers.text import SentenceEncoder

logger = logging.getLogger(__name__)
LABEL_LOSSES = ("label_sigmoid", "label_contrastive", "label_overlap", "teacher_sigmoid")
"""Losses against captions of labels or classes, whose sentence embeddings are computed once, before training."""


class Source(Protocol):
    """A source of batches for a run."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The captions of the labels, or None if the recordings have no labels."""
        ...

    def batches(self, size: int, count: int) -> Dataset[CaptionedBatch]:
        """`count` batches of `size` items. Each batch depends only on its index and the recipe."""
        ...


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A source of batches of excerpts of annotated recordings.

    Attributes:
        pools: the examples of each data set.
        excerpts: how excerpts are cut.
        grid: frames of the audio tower.
        seed: seed of the run.
    """

    pools: Sequence[ExamplePool]
    excerpts: ExcerptRecipe
    grid: FrameGrid
    seed: int

    @property
    def vocabulary(self) -> None:
        """None: the recordings have captions, but no labels."""
        return

    def batches(self, size: int, count: int) -> ExcerptBatches:
        """`count` batches of `size` excerpts."""
        return ExcerptBatches(self.pools, self.excerpts, self.grid, batch=size, n_batches=count, seed=self.seed)


def make_source(recipe: Recipe, encoder: SentenceEncoder) -> SceneSource | CachedSource | DatasetSource:
    """The source of a recipe.

    It is the cache in `data.cache` or the data sets in `data.sets` if the recipe names any, otherwise scenes of the pack in
    `data.folder`.
    """
    if recipe.data.cache:
        vocabulary = scene_vocabulary(recipe, train_recordings(recipe), encoder)
        return CachedSource(recipe.data.cache, vocabulary, recipe.seed, recipe.data.recaption)
    return dataset_source(recipe) if recipe.data.sets else scene_source(recipe, encoder)


def dataset_source(recipe: Recipe) -> DatasetSource:
    """The `train` examples of the data sets in `data.sets`."""
    pools = read_example_pools(recipe.data.sets, "train")
    logger.info("%d recordings of %d data sets", sum(len(pool.examples) for pool in pools), len(pools))
    tower = tower_class(recipe.audio)
    return DatasetSource(pools, recipe.excerpts, FrameGrid(tower.sample_rate_hz, tower.hop_samples), recipe.seed)


def scene_source(recipe: Recipe, encoder: SentenceEncoder) -> SceneSource:
    """Scenes mixed from the `train` recordings of the pack in `data.folder`, which are decoded once.

    Raises:
        ValueError: the sentence encoder is trained, and a loss needs the captions of labels or classes, which are encoded
            only once.
    """
    tower = tower_class(recipe.audio)
    recordings = train_recordings(recipe)
    vocabulary = scene_vocabulary(recipe, recordings, encoder)
    store = AudioStore.decode(recordings, tower.sample_rate_hz)
    teacher = teacher_scores(store, recipe.teacher) if recipe.needs_teacher_scores else None
    scene_recordings = SceneRecordings(recordings, store, vocabulary, teacher)
    return SceneSource(scene_recordings, recipe.data, recipe.scenes, tower.hop_samples, recipe.seed)


def train_recordings(recipe: Recipe) -> list[Recording]:
    """The `train` recordings of the pack in `data.folder`."""
    return [recording for recording in read_pack_table(recipe.data.folder) if recording.split == "train"]


def scene_vocabulary(recipe: Recipe, recordings: Sequence[Recording], encoder: SentenceEncoder) -> Vocabulary:
    """The captions of the recordings' labels, and of the teacher's classes if they are trained.

    Raises:
        ValueError: the sentence encoder is trained, and a loss needs the captions of labels or classes, which are encoded
            only once.
    """
    frozen = [name for name in LABEL_LOSSES if recipe.text.trained and getattr(recipe.losses, name)]
    if frozen:
        raise ValueError(
            "text.trained is true, but the captions of labels and classes are encoded only once; with text.trained only 0 "
            f"is accepted for {', '.join(f'losses.{name}' for name in frozen)}"
        )
    classes = teacher_classes(recipe.teacher) if recipe.losses.teacher_sigmoid else []
    written = read_label_captions(recipe.data.captions) if recipe.data.captions else {}
    captions = reworded(written, recipe.data.wording)
    vocabulary = build_vocabulary(recordings, captions, classes, recipe.teacher.captions, encoder)
    entries = captions_for_labels(vocabulary.labels, reworded(written, replace(recipe.data.wording, variants=0)))
    absent = build_absent(recipe.data.absent, vocabulary.bank, vocabulary.relation, entries, encoder)
    vocabulary = replace(vocabulary, absent=absent)
    n_labels, n_captions = len(vocabulary.labels), len(vocabulary.bank.texts)
    logger.info("%d recordings, %d labels, %d captions", len(recordings), n_labels, n_captions)
    return vocabulary
