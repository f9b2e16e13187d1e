"""Mixes the channels of a clip to mono while it is decoded, and checks its sound for faults, second by second.

The checks must stay cheap compared with the embedding; service/README.md has the figures.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from service.engine.clip_report import ClipReport
from service.engine.sample_range import HIGHEST_PEAK
from service.engine.sound_block import SoundBlock

Float32 = NDArray[np.float32]

_CANCEL_RATIO = 0.2
"""Energy of the mix, relative to that of a mix of unrelated channels, below which the channels cancel each other."""
_FADE_S = 0.01
_SILENT_PEAK = 2.0**-16
"""Half of the smallest step of 16 bits."""
_LARGE_OFFSET = 0.02
_EXTREME = 0.01
_LOWEST_CLIPPED_RANGE = 0.1
_EACH_EXTREME_SHARE = 0.1
_NARROW_HZ = 2_000
_NARROW_RATIO = 1e-6
_SHORTEST_S = 0.1
"""Shortest clip that is judged by its offset or bandwidth, in seconds."""


class ClipChecks:
    """Mixer and checks of a clip: call `mix` for each section in order, and then `finish`."""

    def __init__(self, report: ClipReport) -> None:
        self._report = report
        self._weights: Float32 | None = None
        self._position_s, self._n_samples, self._sum, self._peak = 0.0, 0, 0.0, 0.0
        self._n_clipped, self._has_high = 0, False

    @property
    def has_sound(self) -> bool:
        """Whether any sample was added."""
        return self._n_samples > 0

    def mix(self, section: SoundBlock) -> Float32:
        """Mixes a section to mono, shape (N,), second by second, and checks it.

        The mix is the mean of the channels. If the channels cancel each other, so that the energy of the mean is less than
        a fifth of the energy that unrelated channels would give, the mix is the channel with the most energy. When
        the mix changes from a second to the next, it fades within 10 ms.

        Args:
            section: Whole seconds, except at the end of the clip and before its format changes.
        """
        samples, rate_hz = section.samples, section.rate_hz  # (N, C)
        channels, starts = samples.shape[1], range(0, len(samples), rate_hz)
        lows, highs = (
            ufunc.reduceat(samples.ravel(), np.array(starts) * channels).tolist() for ufunc in (np.minimum, np.maximum)
        )
        seconds = [
            self._mix_second(samples[start : start + rate_hz], rate_hz, low, high)
            for start, low, high in zip(starts, lows, highs, strict=True)
        ]
        if channels == 1 and max(*highs, -min(lows)) <= HIGHEST_PEAK:  # the seconds are parts of the section
            return samples[:, 0]
        return np.concatenate(seconds)

    def _mix_second(self, samples: Float32, rate_hz: int, low: float, high: float) -> Float32:
        onset_s, offset_s = self._position_s, self._position_s + len(samples) / rate_hz
        self._position_s = offset_s
        if max(high, -low) > HIGHEST_PEAK:
            self._report.samples_clipped(onset_s, offset_s)
            samples, low, high = np.clip(samples, -1, 1), max(low, -1), min(high, 1)
        self._peak = max(self._peak, high, -low)
        is_mono = samples.shape[1] == 1
        mono = samples[:, 0] if is_mono else self._mixed(samples, rate_hz, onset_s, offset_s)
        if high - low > _LOWEST_CLIPPED_RANGE:
            extremes = (low, high) if is_mono else (float(mono.min()), float(mono.max()))
            self._n_clipped += _count_clipped(mono, *extremes)
        self._n_samples += len(mono)
        self._sum += float(mono.sum())
        if not self._has_high:
            self._has_high = _has_high_frequencies(mono, rate_hz)
        return mono

    def _mixed(self, samples: Float32, rate_hz: int, onset_s: float, offset_s: float) -> Float32:
        channels = samples.shape[1]
        weights = np.full(channels, 1 / channels, np.float32)
        mixed = samples @ weights  # (N,)
        mean_energy = float(np.vdot(samples, samples)) / channels
        if channels * float(np.dot(mixed, mixed)) < _CANCEL_RATIO * mean_energy:
            self._report.channels_cancelled(onset_s, offset_s)
            loudest = int(np.argmax(np.einsum("nc,nc->c", samples, samples)))
            weights = np.eye(channels, dtype=np.float32)[loudest]
            mixed = np.ascontiguousarray(samples[:, loudest])
        before = self._weights if self._weights is not None and len(self._weights) == channels else weights
        self._weights = weights
        if not np.array_equal(before, weights):
            fade = np.linspace(0, 1, min(len(samples), round(_FADE_S * rate_hz)), dtype=np.float32)
            old = samples[: len(fade)] @ before
            mixed = mixed.copy()
            mixed[: len(fade)] += (1 - fade) * (old - mixed[: len(fade)])
        return mixed

    def finish(self) -> None:
        """Reports the faults of the whole clip."""
        report = self._report
        if self._peak < _SILENT_PEAK:
            report.add("digital-silence", "the clip holds nothing but digital silence, so no sound can be heard in it")
            return
        mean = self._sum / self._n_samples
        if abs(mean) > _LARGE_OFFSET and self._position_s >= _SHORTEST_S:
            report.add(
                "dc-offset", f"the samples have a constant offset of {mean:.3f}; the recording device may be faulty"
            )
        if self._n_clipped > self._n_samples / 2:
            percent = 100 * self._n_clipped / self._n_samples
            report.add("clipped", f"{percent:.0f} % of the samples are clipped, so the sound is distorted")
        if not self._has_high and self._position_s >= _SHORTEST_S:
            report.add("narrow-band", "the clip has no energy above 2 kHz, so many sounds cannot be recognized in it")


def _count_clipped(mono: Float32, low: float, high: float) -> int:
    """Number of samples at the extremes `low` and `high` of a section, if many samples are at each; otherwise 0."""
    margin, fewest = _EXTREME * (high - low), _EACH_EXTREME_SHARE * len(mono)
    n_high = int(np.count_nonzero(mono >= high - margin))
    if n_high <= fewest:
        return 0
    n_low = int(np.count_nonzero(mono <= low + margin))
    return n_high + n_low if n_low > fewest else 0


def _has_high_frequencies(mono: Float32, rate_hz: int) -> bool:
    """Whether a section has energy above 2 kHz: more than a millionth of all its energy."""
    if rate_hz <= 2 * _NARROW_HZ or len(mono) < 64:
        return False
    spectrum = np.fft.rfft(mono * _hann(len(mono)))
    power = spectrum.real**2 + spectrum.imag**2
    first = int(np.ceil(_NARROW_HZ * len(mono) / rate_hz))
    total = float(power[1:].sum())
    return total > _SILENT_PEAK**2 and float(power[first:].sum()) > _NARROW_RATIO * total


@lru_cache(maxsize=4)
def _hann(n_samples: int) -> Float32:
    return np.hanning(n_samples).astype(np.float32)
