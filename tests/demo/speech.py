"""Speech from the espeak-ng program."""

import io
import shutil
import subprocess

import numpy as np
import soundfile
import soxr

from tests.demo.sounds import RATE_HZ, Signal


def speak(text: str, *, voice: str, words_per_minute: int, pitch: int) -> Signal:
    """A spoken sentence without the silence around it: mono, 16 kHz, (N,).

    Raises:
        RuntimeError: espeak-ng is not installed.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise RuntimeError("espeak-ng is not installed; it speaks the demo's sentence (apt-get install espeak-ng)")
    command = [program, "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--stdout", text]
    wave = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate_hz = soundfile.read(io.BytesIO(wave))
    speech = soxr.resample(samples, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(speech) > 0.01 * np.abs(speech).max())
    return speech[loud[0] : loud[-1] + 1]
