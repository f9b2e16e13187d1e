"""Synthesizes everyday sounds from sines, noise, filters and room reverberation.

Each sound is a pure function of a random generator. It is mono at 16 kHz, starts at its first sample, has an arbitrary
level, and has the shape (N,) in float64.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, oaconvolve, sosfilt

RATE_HZ = 16_000
HIGHEST_HZ = 7_600.0
Signal = NDArray[np.float64]


def seconds(duration_s: float) -> Signal:
    """The time of each sample of a sound of `duration_s`, in seconds: (N,)."""
    return np.arange(round(duration_s * RATE_HZ)) / RATE_HZ


def fades(time: Signal, rise_s: float, fall_s: float) -> Signal:
    """An envelope that rises linearly from 0 to 1 in `rise_s` and falls linearly to 0 in the last `fall_s`: (N,)."""
    return np.minimum(1.0, np.minimum(time / rise_s, (len(time) / RATE_HZ - time) / fall_s))


def add(into: Signal, sound: Signal, onset_s: float) -> None:
    """Adds a sound to a signal in place, starting at `onset_s`. The part after the end of the signal is cut off."""
    start = round(onset_s * RATE_HZ)
    length = max(0, min(len(sound), len(into) - start))
    into[start : start + length] += sound[:length]


def tones(frequency_hz: Signal, amplitudes: list[float]) -> Signal:
    """Harmonics 1, 2, ... of a gliding fundamental frequency: (N,). Harmonics above HIGHEST_HZ are left out."""
    phase = 2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ
    sound = np.zeros_like(phase)
    for number, amplitude in enumerate(amplitudes, start=1):
        sound += amplitude * np.sin(number * phase) * (number * frequency_hz < HIGHEST_HZ)
    return sound


def ringing(time: Signal, partials: list[tuple[float, float, float]]) -> Signal:
    """Sum of decaying sines, each given as frequency in Hz, amplitude and decay time in seconds: (N,)."""
    return sum((a * np.sin(2 * np.pi * f * time) * np.exp(-time / d) for f, a, d in partials), np.zeros_like(time))


def resonance(source: Signal, centre_hz: float, width_hz: float) -> Signal:
    """Filters a source with one formant (a resonance)."""
    radius = np.exp(-np.pi * width_hz / RATE_HZ)
    angle = 2 * np.pi * centre_hz / RATE_HZ
    return np.asarray(lfilter([1 - radius], [1.0, -2 * radius * np.cos(angle), radius**2], source))


def band(source: Signal, low_hz: float, high_hz: float) -> Signal:
    """Filters a source with a first-order band-pass."""
    return np.asarray(sosfilt(butter(1, [low_hz, high_hz], "band", fs=RATE_HZ, output="sos"), source))


def in_room(rng: Generator, dry: Signal, decay_s: float, direct_db: float) -> Signal:
    """Adds the reverberation of a room to a sound, and cuts the result to the length of the sound.

    Args:
        rng: draws the impulse response of the room.
        dry: the sound.
        decay_s: time in which the reverberation falls by 60 dB, in seconds.
        direct_db: level of the direct sound relative to the reverberation, in dB.
    """
    time = seconds(decay_s)
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay_s)
    tail *= 10 ** (-direct_db / 20) / np.sqrt((tail**2).sum())
    tail[0] += 1.0
    return np.asarray(oaconvolve(dry, tail))[: len(dry)]


def siren(rng: Generator, duration_s: float) -> Signal:
    """A wail that sweeps from 800 to 1,500 Hz and back every 2 s."""
    time = seconds(duration_s)
    sweep = (0.5 - 0.5 * np.cos(2 * np.pi * time / 2.0)) ** 0.5
    wail = tones(800.0 * (1500.0 / 800.0) ** sweep, [1.0, 0.6, 0.5, 0.3, 0.25, 0.15, 0.1])
    return in_room(rng, wail, 1.0, 6.0) * fades(time, 0.3, 0.5)


def car_horn(rng: Generator, duration_s: float) -> Signal:
    """Two short honks and a long one, each a buzz of two notes."""
    sound = np.zeros(len(seconds(duration_s)))
    for onset_s, honk_s in ((0.0, 0.35), (0.5, 0.35), (1.0, duration_s - 1.2)):
        time = seconds(honk_s)
        glide = 1 - 0.03 * np.exp(-time / 0.03)
        amplitudes = [0.6, 0.8, 1.0, 0.9, 0.7, 0.6, 0.5, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1]
        honk = tones(415.0 * glide, amplitudes) + tones(523.0 * glide, amplitudes)
        add(sound, honk * fades(time, 0.02, 0.04), onset_s)
    return in_room(rng, sound, 0.5, 8.0)


def alarm_clock(rng: Generator, duration_s: float) -> Signal:
    """A mechanical alarm clock: a clapper that strikes two gongs 22 times per second, and the decay of the gongs."""
    shape = ((1.0, 1.0, 0.3), (1.51, 0.2, 0.2), (2.42, 0.8, 0.2), (2.74, 0.4, 0.15), (3.8, 0.35, 0.1), (4.3, 0.3, 0.08))
    gongs = [ringing(seconds(0.6), [(base * r, a, d) for r, a, d in shape]) for base in (1420.0, 1150.0)]
    sound = np.zeros(len(seconds(duration_s)))
    for stroke in range(int((duration_s - 0.5) / 0.045)):
        add(sound, gongs[stroke % 2] * rng.uniform(0.8, 1.0), stroke * 0.045)
    return sound * fades(seconds(duration_s), 0.001, 0.1)


def frying(rng: Generator, duration_s: float) -> Signal:
    """Hissing fat with 900 pops per second."""
    time, pop_time = seconds(duration_s), seconds(0.012)
    sound = 0.35 * band(rng.standard_normal(len(time)), 800.0, 7_000.0)
    for _ in range(int(900 * duration_s)):
        strength = min(rng.pareto(2.5) * 0.25, 2.5)
        pop = ringing(pop_time, [(rng.uniform(1_500, 7_000), strength, 0.0025)])
        add(sound, pop, rng.uniform(0, duration_s))
    return sound * fades(time, 0.3, 0.5)


def bark(rng: Generator, pitch_hz: float) -> Signal:
    """A single bark: a rough voice, filtered with three formants, whose pitch rises and falls within 0.22 s."""
    time = seconds(0.22)
    part = time / 0.22
    pitch = pitch_hz * (0.75 + 0.55 * np.sin(np.pi * np.minimum(1.0, 1.1 * part))) * (1 - 0.35 * part)
    voice = 0.4 * tones(pitch * (1 + 0.03 * rng.standard_normal(len(time))), [k**-0.6 for k in range(1, 20)])
    source = (voice + 0.5 * rng.standard_normal(len(time))) * (1 + 0.5 * np.sin(2 * np.pi * 60 * time))
    formants = ((750.0, 150.0, 6.0), (1_400.0, 200.0, 5.0), (2_700.0, 400.0, 3.0))
    sound = sum((gain * resonance(source, centre, width) for centre, width, gain in formants), np.zeros_like(time))
    return sound * fades(time, 0.012, 0.02) * np.exp(-5 * np.maximum(0.0, part - 0.35))


def dog(rng: Generator, duration_s: float) -> Signal:
    """Pairs of barks. The onsets within a pair are 0.35 s apart, and the next pair follows 0.6 s later."""
    sound = np.zeros(len(seconds(duration_s)))
    onset_s, number = 0.0, 0
    while onset_s + 0.24 <= duration_s:
        add(sound, bark(rng, rng.uniform(400.0, 460.0)), onset_s)
        onset_s += 0.35 if number % 2 == 0 else 0.6
        number += 1
    return in_room(rng, sound, 0.35, 8.0)


def chirp(part: Signal, kind: int) -> Signal:
    """Relative pitch of a bird's syllable above its base frequency.

    Args:
        part: position in the syllable, from 0 to 1: (N,).
        kind: 0 for a falling, 1 for an arched and 2 for a trilled syllable.
    """
    falling, arched = 0.35 * (1 - part), 0.25 * np.sin(np.pi * part)
    return (falling, arched, 0.3 * part - 0.12 * np.sin(6 * np.pi * part))[kind]


def phrase(rng: Generator) -> list[Signal]:
    """Three to six whistled syllables of the same kind, each followed by a pause."""
    kind, base_hz = int(rng.integers(3)), rng.uniform(3_000.0, 4_500.0)
    syllables: list[Signal] = []
    for _ in range(int(rng.integers(3, 7))):
        part = np.linspace(0.0, 1.0, round(rng.uniform(0.06, 0.12) * RATE_HZ))
        whistle = np.sin(np.pi * part).clip(0.0) ** 0.7 * tones(base_hz * (1 + chirp(part, kind)), [1.0, 0.12])
        syllables.append(np.append(whistle, np.zeros(round(rng.uniform(0.03, 0.07) * RATE_HZ))))
    return syllables


def birds(rng: Generator, duration_s: float) -> Signal:
    """Phrases between 3 and 6 kHz, until no further syllable fits into the duration."""
    sound = np.zeros(len(seconds(duration_s)))
    onset_s = 0.0
    while True:
        for syllable in phrase(rng):
            if onset_s + len(syllable) / RATE_HZ > duration_s:
                return in_room(rng, sound, 0.7, 9.0)
            add(sound, syllable, onset_s)
            onset_s += len(syllable) / RATE_HZ
        onset_s += rng.uniform(0.15, 0.3)
