"""Makes the demo recording: synthetic sounds at known times over faint pink noise.

    python -m tests.demo.make_scene --out tests/demo/scene.flac

The times of the sounds are written to `truth.json` in the same folder. All sounds except speech depend only on `SEED`.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator

from tests.demo import sounds
from tests.demo.sounds import RATE_HZ, Signal
from tests.demo.speech import speak
from training.synthesis.noise import coloured_noise
from training.synthesis.truth import BLOCK_S, active_blocks

SCENE_S = 38.0
SEED = 7
NOISE_DB = -58.0
SENTENCE = "The next train to the harbour leaves from platform two, in five minutes."


@dataclass(frozen=True, slots=True)
class Placement:
    """A sound in the scene.

    Attributes:
        query: the query that should detect the sound.
        onset_s: start of the sound, in seconds.
        offset_s: end of the sound, in seconds.
        level_db: root mean square of the active part of the sound, in dBFS.
        make: makes the sound from a random generator and a duration in seconds; None for the spoken sentence.
    """

    query: str
    onset_s: float
    offset_s: float
    level_db: float
    make: Callable[[Generator, float], Signal] | None

    @property
    def duration_s(self) -> float:
        """Duration of the sound, in seconds."""
        return self.offset_s - self.onset_s


LAYOUT = (
    Placement("birds chirp", 1.0, 4.7, -24.0, sounds.birds),
    Placement("a dog barks", 5.8, 7.95, -22.0, sounds.dog),
    Placement("a siren wails", 9.2, 15.2, -22.0, sounds.siren),
    Placement("a car horn honks", 14.8, 17.2, -22.0, sounds.car_horn),
    Placement("someone is speaking", 17.6, 22.2, -24.0, None),
    Placement("an alarm clock rings", 23.0, 25.0, -24.0, sounds.alarm_clock),
    Placement("an alarm clock rings", 26.0, 28.0, -24.0, sounds.alarm_clock),
    Placement("something fries in a pan", 28.8, 35.0, -27.0, sounds.frying),
    Placement("a dog barks", 34.6, 36.15, -22.0, sounds.dog),
)


def truth() -> list[dict[str, str | float]]:
    """The query, onset and offset of each sound, in order of time."""
    return [{"query": p.query, "onset_s": p.onset_s, "offset_s": p.offset_s} for p in LAYOUT]


def at_level(sound: Signal, level_db: float) -> Signal:
    """Scales a sound so that the root mean square of its active blocks has a given level, in dBFS."""
    active = np.repeat(active_blocks(sound.astype(np.float32), RATE_HZ), round(BLOCK_S * RATE_HZ))[: len(sound)]
    return sound * 10 ** (level_db / 20) / np.sqrt(np.mean(sound[active] ** 2))


def procedural(number: int) -> Signal:
    """Makes sound `number` of the layout at its level.

    Raises:
        ValueError: The sound is the spoken sentence.
    """
    placement = LAYOUT[number]
    if placement.make is None:
        raise ValueError(f"sound {number} of the layout is speech")
    rng = np.random.default_rng([SEED, number])
    return at_level(placement.make(rng, placement.duration_s), placement.level_db)


def background() -> Signal:
    """The background of the scene: pink noise."""
    noise = coloured_noise(np.random.default_rng(SEED), round(SCENE_S * RATE_HZ), 1.0)
    return noise.astype(np.float64) * 10 ** (NOISE_DB / 20)


def sentence(duration_s: float) -> Signal:
    """Makes the spoken sentence.

    Raises:
        RuntimeError: The sentence does not last `duration_s` within 0.1 s. Releases of espeak-ng may speak at different
            rates; the times in the layout must then be changed.
    """
    speech = speak(SENTENCE, voice="en-us", words_per_minute=150, pitch=45)
    spoken_s = len(speech) / RATE_HZ
    if abs(spoken_s - duration_s) > 0.1:
        raise RuntimeError(
            f"espeak-ng spoke for {spoken_s:.2f} s; the layout expects {duration_s:.2f} s (within 0.1 s)"
        )
    return speech


def make_scene(speech: Callable[[float], Signal] = sentence) -> Signal:
    """Makes the whole recording.

    Args:
        speech: makes the spoken sentence from its duration in seconds.

    Returns:
        Samples in [-1, 1]: (N,).
    """
    scene = background()
    for number, placement in enumerate(LAYOUT):
        is_speech = placement.make is None
        sound = at_level(speech(placement.duration_s), placement.level_db) if is_speech else procedural(number)
        sounds.add(scene, sound, placement.onset_s)
    return scene


def main() -> None:
    """Runs the command line: writes the recording and `truth.json`."""
    parser = argparse.ArgumentParser(description="Make the demo recording, and truth.json in the same folder.")
    parser.add_argument("--out", type=Path, required=True, help="FLAC file to write")
    out: Path = parser.parse_args().out
    soundfile.write(out, make_scene(), RATE_HZ, subtype="PCM_16")
    (out.parent / "truth.json").write_text(json.dumps(truth(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
