"""A model bundle whose two encoders are ready to run."""

from dataclasses import dataclass
from pathlib import Path

from service.core.manifest import Manifest, verify_bundle
from service.engine.encoders import AudioEncoder
from service.engine.options import EngineOptions
from service.engine.text_encoder import TextEncoder


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The parts of a model that an engine runs.

    Attributes:
        manifest: The facts about the model.
        audio_encoder: Windows to frame embeddings.
        text_encoder: Queries to query embeddings.
    """

    manifest: Manifest
    audio_encoder: AudioEncoder
    text_encoder: TextEncoder

    def close(self) -> None:
        """Frees both encoders; no call may follow."""
        self.audio_encoder.close()
        self.text_encoder.close()


def load_model(bundle_dir: Path, options: EngineOptions) -> LoadedModel:
    """Verifies a bundle and opens its encoders.

    Raises:
        BundleError: If the bundle is incomplete, damaged, or does not fit its manifest.
        DeviceUnavailable: If `options.device` is "cuda" and CUDA cannot be used.
    """
    manifest = verify_bundle(bundle_dir)
    audio_encoder = AudioEncoder(bundle_dir, manifest, options)
    return LoadedModel(manifest, audio_encoder, TextEncoder(bundle_dir, manifest, options))
