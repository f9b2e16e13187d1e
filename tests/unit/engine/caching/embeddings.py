"""Embeddings of invented clips, for the tests of the cache."""

import hashlib

import numpy as np

from service.engine.caching.value import ValueFormat
from service.engine.clip_embedding import ClipEmbedding

DIMENSION = 64
HOP_S = 0.04
FORMAT = ValueFormat(DIMENSION, HOP_S)
VALUE_BYTES = 4 << 20


def clip_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def make_embedding(name: str, n_frames: int = 50, dimension: int = DIMENSION) -> ClipEmbedding:
    """A random embedding, which is always the same for a name."""
    rng = np.random.default_rng(list(name.encode()))
    frames = rng.normal(size=(n_frames, dimension)).astype(np.float32)
    return ClipEmbedding((frames / np.linalg.norm(frames, axis=1, keepdims=True)).astype(np.float16), n_frames * HOP_S)


def equal(actual: ClipEmbedding | None, expected: ClipEmbedding) -> bool:
    """Whether an embedding is there and equals the expected one."""
    if actual is None or actual.duration_s != expected.duration_s:
        return False
    return np.array_equal(actual.stored, expected.stored)
