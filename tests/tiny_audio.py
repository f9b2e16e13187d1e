"""Small audio files for tests: silence with a burst of a tone, in any format, sample rate and number of channels."""

from pathlib import Path

import numpy as np
import soundfile


def write_burst(
    path: Path,
    length_s: float = 1.0,
    burst_s: tuple[float, float] = (0.0, 0.5),
    rate_hz: int = 16_000,
    channels: int = 1,
) -> Path:
    """Writes a recording that is silent except for a tone of 440 Hz, creates its folder, and returns its path.

    Args:
        path: the file to write; its ending determines the format.
        length_s: length of the recording, in seconds.
        burst_s: onset and offset of the tone, in seconds.
        rate_hz: sample rate.
        channels: number of channels, which all hold the same samples.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(length_s * rate_hz)) / rate_hz
    wave = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time >= burst_s[0]) & (time < burst_s[1]))
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate_hz)
    return path


def write_undecodable_file(path: Path) -> Path:
    """Writes a file that no audio decoder accepts, creates its folder, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"<html>404 Not Found</html>" * 10)
    return path
