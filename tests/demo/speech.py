"""Makes speech with the program espeak-ng."""

import io
import shutil
import subprocess

import numpy as np
import soundfile
import soxr

from tests.demo.sounds import RATE_HZ, Signal


def speak(text: str, *, voice: str, words_per_minute: int, pitch: int) -> Signal:
    """Makes a spoken sentence without the silence before and after it.

    Args:
        text: the sentence.
        voice: name of an espeak-ng voice.
        words_per_minute: rate of speech.
        pitch: 0 to 99.

    Returns:
        Mono samples at 16 kHz: (N,).

    Raises:
        RuntimeError: espeak-ng is not installed.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise RuntimeError(
            "espeak-ng is not installed; it makes the spoken sentence of the demo (apt-get install espeak-ng)"
        )
    command = [program, "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", text]
    wave = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate_hz = soundfile.read(io.BytesIO(wave))
    speech = soxr.resample(samples, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(speech) > 0.01 * np.abs(speech).max())
    return speech[loud[0] : loud[-1] + 1]
