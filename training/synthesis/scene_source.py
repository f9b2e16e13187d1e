"""The source of a run that trains on scenes: the recordings of a pack, their annotations, and how often each is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.data.config import DataConfig
from training.data.pack import AudioStore, Recording
from training.synthesis.batches import BatchPlan, RecordingAnnotations, SceneBatches
from training.synthesis.confusions import Confusions
from training.synthesis.rivals import Rivals, find_rivals
from training.synthesis.scene import SceneRecipe, SceneSynthesizer
from training.synthesis.teacher import TeacherScores
from training.synthesis.vocabulary import Vocabulary
from training.synthesis.world import WorldSynthesizer


@dataclass(frozen=True)
class SceneRecordings:
    """The recordings that a run mixes into scenes.

    Attributes:
        recordings: rows of the pack's table, R of them.
        store: the decoded samples of the recordings, in the same order.
        vocabulary: the captions of the recordings' labels.
        teacher: the teacher's scores of the recordings, or None without a teacher.
    """

    recordings: Sequence[Recording]
    store: AudioStore
    vocabulary: Vocabulary
    teacher: TeacherScores | None = None

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Label index of each recording in the vocabulary, (R,)."""
        index = self.vocabulary.index()
        return np.array([index[recording.label] for recording in self.recordings], dtype=np.int64)

    def annotations(self) -> RecordingAnnotations:
        """Labels, captions and teacher's scores of the recordings."""
        return RecordingAnnotations(self.labels, self.vocabulary.bank.of_subjects(), self.teacher)


@dataclass(frozen=True, slots=True)
class SceneSource:
    """A source of batches of scenes for a run.

    Attributes:
        recordings: the recordings that are mixed.
        data: how often labels are drawn, which labels are ambiences, and how many scenes are different.
        scenes: how scenes are mixed.
        hop_samples: samples of one frame of the audio tower.
        seed: seed of the run.
    """

    recordings: SceneRecordings
    data: DataConfig
    scenes: SceneRecipe
    hop_samples: int
    seed: int

    @property
    def vocabulary(self) -> Vocabulary:
        """The captions of the labels, and of the teacher's classes."""
        return self.recordings.vocabulary

    def batches(self, size: int, count: int) -> SceneBatches:
        """`count` batches of `size` scenes."""
        weights = label_weights(self.recordings.labels, self.data.label_exponent)
        ambiences = [i for i, r in enumerate(self.recordings.recordings) if r.label in self.data.ambiences]
        world = self.scenes.world is not None
        synthesizer = (
            WorldSynthesizer(self.recordings.store, self.scenes, weights, ambiences, self._rivals())
            if world
            else SceneSynthesizer(self.recordings.store, self.scenes, weights, ambiences)
        )
        plan = BatchPlan(size, count, self.seed, self.data.different, shared_captions=world)
        return SceneBatches(synthesizer, self.recordings.annotations(), self.hop_samples, plan)

    def _rivals(self) -> Rivals:
        """The rivals of the labels of the recordings."""
        file = self.data.confusions
        confusions = Confusions.load(file, self.vocabulary.labels) if file else None
        return find_rivals(self.vocabulary, self.recordings.labels, self.recordings.teacher, confusions)


def label_weights(labels: NDArray[np.int64], exponent: float) -> NDArray[np.float64]:
    """Weights of items such that a label with n items is drawn in proportion to n ** exponent.

    Args:
        labels: label index of each item, (N,).
        exponent: 1 draws all items equally often, 0 draws all labels equally often.

    Returns:
        Weights that need not sum to 1, (N,).

    >>> label_weights(np.array([0, 0, 1]), 0.0)
    array([0.5, 0.5, 1. ])
    """
    return np.bincount(labels)[labels].astype(np.float64) ** (exponent - 1)
