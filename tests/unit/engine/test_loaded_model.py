from pathlib import Path

import numpy as np
import pytest

from service.core.bundle_errors import ChecksumMismatch
from service.engine.loaded_model import load_model
from service.engine.options import EngineOptions


def test_a_loaded_model_embeds_windows_and_queries_until_it_is_closed(tiny_bundle: Path) -> None:
    model = load_model(tiny_bundle, EngineOptions())
    window = np.zeros((1, model.manifest.window_samples), np.float32)
    frames = model.audio_encoder.embed(window)
    assert frames.shape == (1, model.manifest.window_frames, model.manifest.dimension)
    assert model.text_encoder.encode(["low"]).embeddings.shape == (1, model.manifest.dimension)
    model.close()
    with pytest.raises(ValueError, match=r"audio.onnx is closed"):
        model.audio_encoder.embed(window)
    with pytest.raises(ValueError, match=r"text.onnx is closed"):
        model.text_encoder.encode(["low"])


def test_a_bundle_with_a_changed_file_is_refused(tiny_bundle_copy: Path) -> None:
    with (tiny_bundle_copy / "text.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ChecksumMismatch):
        load_model(tiny_bundle_copy, EngineOptions())
