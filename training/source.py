"""What a run trains on: soundscapes over the recordings of a pack, or annotated recordings of data sets."""

import logging
from functools import cached_property
from typing import Protocol

import numpy as np
from torch.utils.data import Dataset

from service.core.frame_grid import FrameGrid
from training.data.batch import CaptionedBatch
from training.data.excerpt_batches import ExcerptBatches, read_example_pools
from training.data.pack import AudioStore, read_pack_table
from training.recipe import Recipe
from training.synthesis.batches import SceneBatches
from training.synthesis.scene import SceneSynthesizer
from training.synthesis.teacher import class_names, score_recordings
from training.synthesis.vocabulary import Vocabulary, build_vocabulary
from training.towers.choice import tower_class
from training.towers.text import SentenceEncoder

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Gives the batches of a run; of soundscapes, what is said of their labels is known too."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What is said of the labels."""
        ...

    def batches(self, size: int, count: int) -> Dataset[CaptionedBatch]:
        """`count` batches of `size` items, each of which depends on its number and the recipe alone."""
        ...


class SceneSource:
    """Scenes over the `train` recordings of a pack, which are decoded once."""

    def __init__(self, recipe: Recipe, encoder: SentenceEncoder) -> None:
        if recipe.text.trained and (recipe.losses.label_sigmoid or recipe.losses.label_contrastive):
            raise ValueError(
                "captions of labels are encoded once: where text.trained, losses.label_... of 0 are accepted"
            )
        self.recipe = recipe
        self.recordings = [r for r in read_pack_table(recipe.data.folder) if r.split == "train"]
        self.store = AudioStore.decode(self.recordings, tower_class(recipe.audio).sample_rate_hz)
        folder = recipe.teacher.folder
        self.teacher = score_recordings(self.store, folder) if folder and recipe.teaches else None
        classes = class_names(folder) if folder and recipe.losses.teacher_sigmoid else []
        self._vocabulary = build_vocabulary(
            self.recordings, recipe.data.captions, classes, recipe.teacher.captions, encoder
        )
        n_labels, n_captions = len(self._vocabulary.labels), len(self._vocabulary.bank.texts)
        logger.info("%d recordings, %d labels, %d captions", len(self.store), n_labels, n_captions)

    @property
    def vocabulary(self) -> Vocabulary:
        """What is said of the labels."""
        return self._vocabulary

    @cached_property
    def labels(self) -> list[int]:
        """The number of each recording's label."""
        index = self.vocabulary.index()
        return [index[recording.label] for recording in self.recordings]

    def batches(self, size: int, count: int) -> SceneBatches:
        """`count` batches of `size` scenes."""
        data = self.recipe.data
        weights = np.bincount(self.labels)[self.labels].astype(np.float64) ** (data.label_exponent - 1)
        ambiences = [i for i, recording in enumerate(self.recordings) if recording.label in data.ambiences]
        return SceneBatches(
            SceneSynthesizer(self.store, self.recipe.scenes, weights, ambiences),
            self.labels,
            self.vocabulary.bank.of_subjects(),
            self.teacher,
            hop_samples=tower_class(self.recipe.audio).hop_samples,
            batch=size,
            n_batches=count,
            seed=self.recipe.seed,
            different=data.different,
        )


class DatasetSource:
    """Excerpts of the `train` examples of data sets."""

    vocabulary = None

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.parts = read_example_pools(recipe.data.sets, "train")
        logger.info("%d recordings of %d data sets", sum(len(p.examples) for p in self.parts), len(self.parts))

    def batches(self, size: int, count: int) -> ExcerptBatches:
        """`count` batches of `size` excerpts."""
        tower = tower_class(self.recipe.audio)
        grid = FrameGrid(tower.sample_rate_hz, tower.hop_samples)
        return ExcerptBatches(
            self.parts, self.recipe.excerpts, grid, batch=size, n_batches=count, seed=self.recipe.seed
        )


def make_source(recipe: Recipe, encoder: SentenceEncoder) -> SceneSource | DatasetSource:
    """What a recipe trains on: `data.sets`, or else soundscapes of `data.folder`."""
    return DatasetSource(recipe) if recipe.data.sets else SceneSource(recipe, encoder)
