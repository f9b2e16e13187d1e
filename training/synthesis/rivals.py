"""Rivals: labels that a model confuses easily with a label, although a recording of one is no example of the other.

A rival in the same scene teaches the difference: a sound that is nearly the query, but is not what the query says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.data.captions import NEGATIVE
from training.synthesis.confusions import Confusions
from training.synthesis.teacher import TeacherScores
from training.synthesis.vocabulary import Vocabulary

RIVALS_PER_KIND = 8
"""Number of rivals of each label by its captions, by the teacher's scores of its recordings, and by a model's confusions."""
SYNONYM_SIMILARITY = 0.75
"""Two labels whose mean captions have a higher cosine may be the same sound, even if no relation says so: never rivals."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """The rivals of each label.

    Attributes:
        labels: label index of each recording, (R,).
        rivals: the labels that are rivals of each label, most similar first.
        recordings: the recordings of each label.
    """

    labels: NDArray[np.int64]
    rivals: Sequence[NDArray[np.int64]]
    recordings: Sequence[NDArray[np.int64]]

    def draw(self, rng: Generator, recording: int) -> int | None:
        """A random recording of a random rival of a recording's label; None if the label has no rivals."""
        rivals = self.rivals[self.labels[recording]]
        return int(rng.choice(self.recordings[rng.choice(rivals)])) if len(rivals) else None

    def draw_same(self, rng: Generator, recording: int) -> int:
        """A random recording of a recording's label."""
        return int(rng.choice(self.recordings[self.labels[recording]]))


def find_rivals(
    vocabulary: Vocabulary,
    labels: NDArray[np.int64],
    teacher: TeacherScores | None = None,
    confusions: Confusions | None = None,
) -> Rivals:
    """The rivals of each label: by the similarity of captions, by the teacher's scores, and by what a model confuses.

    Two labels are rivals only if each is certainly false of the other's recordings (`vocabulary.relation` is NEGATIVE both ways)
    and their captions are not so similar that they may be synonyms.

    Args:
        vocabulary: the labels, their captions and relations.
        labels: label index of each recording, (R,).
        teacher: the teacher's scores of the recordings, or None without a teacher.
        confusions: what an earlier model confuses, or None if none was mined.
    """
    means = vocabulary.bank.means()
    by_caption = (means @ means.T).numpy()
    false = (vocabulary.relation == NEGATIVE).numpy()
    allowed = false & false.T & (by_caption < SYNONYM_SIMILARITY)
    similarities = [by_caption]
    if teacher is not None:
        similarities.append(_teacher_similarity(teacher, labels, len(means)))
    if confusions is not None:
        similarities.append(confusions.similarity)
    rivals: list[NDArray[np.int64]] = []
    for label, candidates in enumerate(allowed):
        nearest = [np.argsort(np.where(candidates, -s[label], np.inf), kind="stable") for s in similarities]
        count = min(RIVALS_PER_KIND, int(candidates.sum()))
        rivals.append(np.array(list(dict.fromkeys(int(j) for order in nearest for j in order[:count])), dtype=np.int64))
    return Rivals(labels, rivals, [np.flatnonzero(labels == label) for label in range(len(means))])


def _teacher_similarity(teacher: TeacherScores, labels: NDArray[np.int64], n_labels: int) -> NDArray[np.float64]:
    """The cosine of two labels' mean scores of the teacher's classes, (L, L)."""
    profiles = np.zeros((n_labels, teacher.scores.shape[1]))
    for recording, label in enumerate(labels):
        profiles[label] += teacher.of_recording(recording)
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True) + 1e-9
    return profiles @ profiles.T
