"""Ids of clips and models: digests of everything that decides a clip's embedding."""

import hashlib
import json
from typing import BinaryIO

from service.core.errors import AudioEmpty, AudioTooLarge
from service.core.manifest import AUDIO_GRAPH, Manifest

_EMBEDDING_VERSION = 3  # raise it when the same bytes and the same model give another embedding than before
_READ_BYTES = 1 << 20


def clip_id_of(file: BinaryIO, manifest: Manifest, max_upload_bytes: int) -> str:
    """Computes a clip's id: a SHA-256 digest of the model's id and of the clip's bytes, in 64 hexadecimal digits.

    Args:
        file: The clip, seekable; it is read from its first byte and left rewound.
        manifest: Manifest of the model that embeds the clip.
        max_upload_bytes: Size of the largest accepted clip, in bytes.

    Raises:
        AudioEmpty: If the clip has no bytes.
        AudioTooLarge: If the clip has more than `max_upload_bytes` bytes.
    """
    file.seek(0)
    content, n_bytes = hashlib.sha256(), 0
    while block := file.read(_READ_BYTES):
        n_bytes += len(block)
        if n_bytes > max_upload_bytes:
            raise AudioTooLarge(max_upload_bytes)
        content.update(block)
    if n_bytes == 0:
        raise AudioEmpty(0)
    file.seek(0)
    return hashlib.sha256(f"{model_id_of(manifest)} {content.hexdigest()}".encode()).hexdigest()


def model_id_of(manifest: Manifest) -> str:
    """Computes the id of the part of a model that embeds clips.

    Models with the same id give the same embedding for the same bytes, whatever their text encoders are, up to the rounding of a
    device: audio_cpu.onnx computes what audio.onnx computes.
    """
    grid = (manifest.sample_rate_hz, manifest.hop_samples, manifest.window_frames, manifest.overlap_frames)
    facts = json.dumps([_EMBEDDING_VERSION, manifest.files[AUDIO_GRAPH], grid])
    return hashlib.sha256(facts.encode()).hexdigest()
