from pathlib import Path

import numpy as np
import pytest

from training.synthesis.confusions import Confusions

LABELS = ("dog", "wolf")


def test_confusions_are_read_as_they_were_saved(tmp_path: Path) -> None:
    saved = Confusions(LABELS, np.array([[0.9, 0.6], [0.5, 0.8]], dtype=np.float32))
    saved.save(tmp_path / "confusions.npz")
    read = Confusions.load(tmp_path / "confusions.npz", list(LABELS))
    assert read.labels == LABELS
    assert np.array_equal(read.similarity, saved.similarity)


@pytest.mark.parametrize("labels", [("dog",), ("wolf", "dog"), ("dog", "wolf", "rain")])
def test_confusions_of_other_labels_are_refused(tmp_path: Path, labels: tuple[str, ...]) -> None:
    Confusions(LABELS, np.zeros((2, 2), dtype=np.float32)).save(tmp_path / "confusions.npz")
    with pytest.raises(ValueError, match=r"holds confusions of 2 labels, .*data\.confusions"):
        Confusions.load(tmp_path / "confusions.npz", labels)


@pytest.mark.parametrize("content", [b"", b"no file of NumPy"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "confusions.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"is no file of training\.mine_rivals"):
        Confusions.load(tmp_path / "confusions.npz", LABELS)
    np.savez(tmp_path / "other.npz", labels=np.array(LABELS))
    with pytest.raises(ValueError, match=r"is no file of training\.mine_rivals"):
        Confusions.load(tmp_path / "other.npz", LABELS)
