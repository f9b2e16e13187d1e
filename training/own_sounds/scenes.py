"""Scenes of a new sound: each mixes one recording over noise, so that recordings can be left out of learning.

Letters of shapes: S scenes, T frames of a window, D channels of an embedding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training import seeds
from training.data.pack import AudioStore
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.recordings import OwnRecordings
from training.synthesis.scene import SceneRecipe, SceneSynthesizer

N_SCENES = 96
"""Smallest number of scenes of a sound; each recording has the same number."""
MIN_SCENES_OF_RECORDING = 2
SNR_DB = (-3.0, 30.0)
LEVEL_DB = (-30.0, -1.0)


@dataclass(frozen=True, slots=True, eq=False)
class SoundScenes:
    """Encoded scenes of one sound.

    Attributes:
        frames: Frame embeddings, (S, T, D) float32.
        active: Whether the sound is heard in each frame, (S, T).
        recording: Index of the recording in each scene, (S,).
    """

    frames: NDArray[np.float32]
    active: NDArray[np.bool_]
    recording: NDArray[np.int64]

    def of(self, recordings: NDArray[np.int64]) -> "SoundScenes":
        """The scenes of some of the recordings."""
        chosen = np.isin(self.recording, recordings)
        return SoundScenes(self.frames[chosen], self.active[chosen], self.recording[chosen])


def sound_scenes(recordings: OwnRecordings, encoders: BundleEncoders) -> SoundScenes:
    """Mixes and encodes scenes of all recordings; the same recordings always give the same scenes.

    A scene has the length of the model's window. It holds one to three parts of one recording at random speeds, filters,
    reverberations and levels over coloured noise, and sometimes ends early in digital silence.
    """
    manifest = encoders.manifest
    recipe = SceneRecipe(
        scene_s=manifest.window_samples / manifest.sample_rate_hz,
        max_events=3,
        snr_db=SNR_DB,
        level_db=LEVEL_DB,
        ambience_rate=0.0,
    )
    n_recordings = len(recordings.store)
    per_recording = max(MIN_SCENES_OF_RECORDING, -(-N_SCENES // n_recordings))
    frames: list[NDArray[np.float32]] = []
    active: list[NDArray[np.bool_]] = []
    for index, samples in enumerate(recordings.store):
        synthesizer = _synthesizer(samples, recordings.store.sample_rate_hz, recipe)
        generators = (np.random.default_rng([seeds.OWN_SOUND, index, k]) for k in range(per_recording))
        scenes = [synthesizer.draw(rng) for rng in generators]
        frames.append(encoders.frames([scene.waveform for scene in scenes]).astype(np.float32))
        for scene in scenes:
            heard = np.zeros(manifest.window_frames, dtype=bool)
            for event in scene.events:
                heard |= event.active_frames(manifest.window_frames, manifest.grid.hop_s)
            active.append(heard)
    recording = np.repeat(np.arange(n_recordings), per_recording)
    return SoundScenes(np.concatenate(frames), np.stack(active), recording)


def _synthesizer(samples: NDArray[np.float32], sample_rate_hz: int, recipe: SceneRecipe) -> SceneSynthesizer:
    """A synthesizer of scenes of a single recording."""
    stored = np.round(samples * 32767).astype(np.int16)
    store = AudioStore(stored, np.array([0, len(stored)]), sample_rate_hz)
    return SceneSynthesizer(store, recipe, np.ones(1))
