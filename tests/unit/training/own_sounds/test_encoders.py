from pathlib import Path

import numpy as np
import pytest

from service.core.errors import EarmarkError
from tests.clips import tones
from tests.tiny_bundle import WINDOW_FRAMES
from training.own_sounds.encoders import BATCH_WINDOWS, BundleEncoders


def test_windows_are_encoded_in_batches_and_queries_as_in_the_service(tiny_bundle: Path) -> None:
    encoders = BundleEncoders.open(tiny_bundle, 1)
    names = ["low", "middle", "high", "low", "middle"]
    assert len(names) > BATCH_WINDOWS
    frames = encoders.frames([tones([(name, 0, 1)], 1.0) for name in names])
    assert frames.shape[:2] == (5, WINDOW_FRAMES)
    queries = encoders.queries(["low", "middle", "high"]).embeddings
    assert (frames.mean(axis=1) @ queries.T).argmax(axis=1).tolist() == [0, 1, 2, 0, 1]
    assert np.array_equal(frames[0], encoders.frames([tones([("low", 0, 1)], 1.0)])[0])


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EarmarkError):
        BundleEncoders.open(tmp_path)
