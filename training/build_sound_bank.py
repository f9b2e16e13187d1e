"""Builds the sound bank of a bundle from the `train` recordings of a pack.

`python -m training.build_sound_bank --bundle service/bundle --data FOLDER --out training/own_sounds/sound_bank.npz`

A bank fits bundles with the same audio graph only, so a new model needs a new bank.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from service.core.errors import EarmarkError
from service.core.manifest import PACKAGED_BUNDLE
from training import seeds
from training.data.pack import AudioStore, Recording, read_pack_table
from training.own_sounds.encoders import BATCH_WINDOWS, BundleEncoders
from training.own_sounds.sound_bank import FRAME_STEP, NO_LABEL, PACKAGED_BANK, SoundBank
from training.synthesis.scene import Scene, SceneRecipe, SceneSynthesizer

N_SCENES = 1000
MAX_EVENTS = 4
AMBIENCES = (
    "birdsong ambience", "birds in a park", "birdsinapark", "city traffic", "crickets", "crowd talking", "driving", "fan",
    "fan noise", "fridge", "grocery store", "night insects", "rain", "rain light", "rain medium", "river", "sea waves",
    "stove fan", "street perc", "underground ambience", "wind",
)  # fmt: skip
"""Labels whose recordings are backgrounds of scenes."""


def build_bank(recordings: Sequence[Recording], encoders: BundleEncoders, n_scenes: int = N_SCENES) -> SoundBank:
    """Mixes scenes of recordings and encodes them. Rare labels are drawn more often than their recordings are frequent.

    Raises:
        ValueError: There is no recording, or a recording cannot be decoded.
    """
    if not recordings:
        raise ValueError("the pack holds no recording in split 'train'; at least one is accepted")
    manifest = encoders.manifest
    store = AudioStore.decode(recordings, manifest.sample_rate_hz)
    recipe = SceneRecipe(
        scene_s=manifest.window_samples / manifest.sample_rate_hz,
        max_events=MAX_EVENTS,
        level_db=(-30.0, 0.0),
        ambience_rate=0.4,
    )
    names = tuple(sorted({recording.label for recording in recordings}))
    counts = Counter(recording.label for recording in recordings)
    weights = np.array([counts[recording.label] ** -0.5 for recording in recordings])
    ambiences = [index for index, recording in enumerate(recordings) if recording.label in AMBIENCES]
    synthesizer = SceneSynthesizer(store, recipe, weights, ambiences)
    label_of = [names.index(recording.label) for recording in recordings]
    frames, labels = list[np.ndarray](), np.full((n_scenes, MAX_EVENTS + 1), NO_LABEL, np.int16)
    for start in range(0, n_scenes, BATCH_WINDOWS):
        numbers = range(start, min(start + BATCH_WINDOWS, n_scenes))
        scenes = [synthesizer.draw(np.random.default_rng(seeds.numbered(seeds.SOUND_BANK, i))) for i in numbers]
        frames += list(encoders.frames([scene.waveform for scene in scenes])[:, ::FRAME_STEP].astype(np.float16))
        for number, scene in zip(numbers, scenes, strict=True):
            heard = sorted({label_of[index] for index in _recordings_of(scene)})
            labels[number, : len(heard)] = heard
    return SoundBank.of(np.stack(frames), labels, names, encoders.audio_sha256, attribution(recordings))


def attribution(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Source, author and licence of all recordings, without repetitions."""
    return tuple(sorted({f"{r.source}; {r.author}; {r.licence}" for r in recordings}))


def _recordings_of(scene: Scene) -> set[int]:
    events = {event.recording for event in scene.events}
    return events if scene.ambience is None else events | {scene.ambience}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.build_sound_bank", description="Build the sound bank of a bundle."
    )
    parser.add_argument("--bundle", type=Path, default=PACKAGED_BUNDLE, help="folder of the bundle")
    parser.add_argument("--data", type=Path, required=True, help="folder of a pack with a train split")
    parser.add_argument("--out", type=Path, default=PACKAGED_BANK, help="file to write, which ends in .npz")
    parser.add_argument("--scenes", type=int, default=N_SCENES, help="number of scenes")
    parser.add_argument("--threads", type=int, default=0, help="number of CPU threads; 0 uses one per core")
    options = parser.parse_args(arguments)
    try:
        recordings = [r for r in read_pack_table(options.data) if r.split == "train"]
        bank = build_bank(recordings, BundleEncoders.open(options.bundle, options.threads), options.scenes)
        bank.save(options.out)
    except (ValueError, OSError, EarmarkError) as error:
        sys.exit(f"the sound bank of {options.bundle} cannot be built from {options.data}: {error}")
    sys.stdout.write(f"{options.out}: {options.scenes} scenes, {options.out.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
