"""The labels that a model itself confuses: how strongly the recordings of each label are heard as every other label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Confusions:
    """How strongly a model hears each label in the recordings of every label.

    Attributes:
        labels: the labels, L of them.
        similarity: mean over the recordings of label i of the peak similarity of label j's captions, (L, L).
    """

    labels: tuple[str, ...]
    similarity: NDArray[np.float32]

    def save(self, file: Path) -> None:
        """Writes the confusions to a compressed NumPy file."""
        with file.open("wb") as stream:
            np.savez_compressed(stream, labels=np.array(self.labels), similarity=self.similarity)

    @classmethod
    def load(cls, file: Path, labels: Sequence[str]) -> "Confusions":
        """Reads the confusions that `save` wrote.

        Args:
            file: the file.
            labels: the labels of the run that reads the file, in its order.

        Raises:
            ValueError: the file is no file of confusions, or holds other labels.
        """
        try:
            with np.load(file) as arrays:
                found, similarity = tuple(arrays["labels"].tolist()), np.asarray(arrays["similarity"], dtype=np.float32)
        except (ValueError, KeyError, EOFError) as error:
            raise ValueError(f"{file} is no file of training.mine_rivals") from error
        if found != tuple(labels) or similarity.shape != (len(found), len(found)):
            raise ValueError(
                f"{file} holds confusions of {len(found)} labels, the recordings have {len(labels)} labels; confusions of the "
                "same labels in the same order are accepted (data.confusions)"
            )
        return cls(found, similarity)
