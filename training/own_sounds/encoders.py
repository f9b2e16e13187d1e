"""The two encoders of a bundle, opened to learn from: windows to frame embeddings, texts to query embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.core.manifest import AUDIO_GRAPH, Manifest, verify_bundle
from service.core.scoring import EncodedQueries
from service.engine.encoders import AudioEncoder
from service.engine.options import EngineOptions
from service.engine.text_encoder import TextEncoder

Float32 = NDArray[np.float32]
BATCH_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class BundleEncoders:
    """The encoders of a verified bundle.

    Attributes:
        folder: Folder of the bundle.
        manifest: Facts about the model.
        audio: Encodes windows.
        text: Encodes queries.
    """

    folder: Path
    manifest: Manifest
    audio: AudioEncoder
    text: TextEncoder

    @classmethod
    def open(cls, folder: Path, threads: int = 0) -> "BundleEncoders":
        """Verifies a bundle and opens its encoders.

        Args:
            folder: Folder of the bundle.
            threads: Number of CPU threads; 0 uses one per core.

        Raises:
            EarmarkError: The bundle is not complete, or is not a bundle of this format.
        """
        manifest = verify_bundle(folder)
        options = EngineOptions(batch_windows=BATCH_WINDOWS, device="cpu", intra_op_threads=threads)
        return cls(folder, manifest, AudioEncoder(folder, manifest, options), TextEncoder(folder, manifest, options))

    @property
    def audio_sha256(self) -> str:
        """sha256 of audio.onnx, which also stands for audio_cpu.onnx. Frame embeddings of other graphs cannot be compared."""
        return self.manifest.files[AUDIO_GRAPH]

    def frames(self, windows: Sequence[Float32]) -> Float32:
        """Frame embeddings (W, T, D) of W windows of `manifest.window_samples` samples each."""
        batches = (windows[start : start + BATCH_WINDOWS] for start in range(0, len(windows), BATCH_WINDOWS))
        return np.concatenate([self.audio.embed(np.stack(batch)) for batch in batches])

    def queries(self, texts: Sequence[str]) -> EncodedQueries:
        """Encodes texts as the service encodes queries."""
        return self.text.encode(texts)
