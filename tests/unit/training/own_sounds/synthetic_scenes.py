"""Synthetic frame embeddings: a sound in channel 0, other sounds in channels 1 to 4, noise, and a constant channel."""

import numpy as np
from numpy.typing import NDArray

from service.core.manifest import Manifest
from tests.manifests import make_manifest
from training.own_sounds.detections import OtherSounds
from training.own_sounds.learning import LearntQuery
from training.own_sounds.scenes import SoundScenes

DIMENSION = 8
MANIFEST: Manifest = make_manifest(scale=20.0, bias=-6.0)
START = LearntQuery(np.eye(DIMENSION, dtype=np.float32)[6])
"""A query that no sound is similar to."""


def frames_of(strengths: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit-norm frames (..., 8) of the strengths (..., 5) of five sounds; channel 7 is the same in all frames."""
    noise = 0.15 * rng.standard_normal((*strengths.shape[:-1], 7))
    noise[..., :5] += strengths
    noise /= np.linalg.norm(noise, axis=-1, keepdims=True)
    return (np.concatenate([noise, np.ones((*noise.shape[:-1], 1))], axis=-1) * np.sqrt(0.5)).astype(np.float32)


def sound_scenes(n_recordings: int = 6, seed: int = 0) -> SoundScenes:
    """Two scenes of 50 frames for each recording; the sound is heard in frames 10 to 29."""
    rng = np.random.default_rng(seed)
    active = np.zeros((2 * n_recordings, 50), dtype=bool)
    active[:, 10:30] = True
    strengths = np.zeros((*active.shape, 5))
    strengths[active, 0] = 1.0
    return SoundScenes(frames_of(strengths, rng), active, np.repeat(np.arange(n_recordings), 2))


def other_scenes(n_scenes: int = 200, seed: int = 1) -> OtherSounds:
    """Scenes of 40 frames, each with one of the other sounds in half of its frames."""
    rng = np.random.default_rng(seed)
    strengths = np.zeros((n_scenes, 40, 5))
    strengths[np.arange(n_scenes), 20:, rng.integers(1, 5, n_scenes)] = 1.0
    return OtherSounds(frames_of(strengths, rng), 1)
