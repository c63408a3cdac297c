"""Sounds for the sample videos: one function for each, by name in `SOUNDS`.

In: length in samples, rate in hertz, a seeded generator. Out: (N,) float32, mono, within [-1, 1].
Loudness, pitch and rhythm vary with the seed; the character of a sound does not, since it is what a classifier learns.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]
Sound = Callable[[int, int, np.random.Generator], Waveform]

SOUNDS: dict[str, Sound] = {}

# Semitones above the root.
MAJOR_PENTATONIC = (0, 2, 4, 7, 9, 12, 14, 16)
TRIADS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))


def sound(name: str) -> Callable[[Sound], Sound]:
    """Register a function in `SOUNDS`; duplicate names raise."""

    def enter(function: Sound) -> Sound:
        if name in SOUNDS:
            raise ValueError(f"sound {name!r} is defined twice")
        SOUNDS[name] = function
        return function

    return enter


def _clock(samples: int, rate_hz: int) -> NDArray[np.float64]:
    return np.arange(samples) / rate_hz


def _finish(signal: NDArray[np.float64], peak: float = 0.6) -> Waveform:
    """Scale to a peak, with 10 ms ramps at both ends against clicks."""
    ramp = np.minimum(1.0, np.arange(signal.size) / 441)
    shaped = signal * ramp * ramp[::-1]
    return np.asarray(shaped * (peak / max(float(np.abs(shaped).max(initial=0.0)), 1e-9)), dtype=np.float32)


def _strike_times(samples: int, rate_hz: int, step_seconds: float) -> NDArray[np.int64]:
    return np.arange(0, samples, max(int(step_seconds * rate_hz), 1))


def _struck(
    samples: int, starts: NDArray[np.int64], strikes: list[NDArray[np.float64]], choice: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Lay `strikes[choice[i]]` over silence at `starts[i]`."""
    signal = np.zeros(samples)
    for start, which in zip(starts, choice, strict=True):
        piece = strikes[which][: samples - start]
        signal[start : start + piece.size] += piece
    return signal


def _pluck(frequency_hz: float, rate_hz: int, decay: float, seconds: float = 0.8) -> NDArray[np.float64]:
    t = _clock(int(seconds * rate_hz), rate_hz)
    tone = sum(np.sin(2 * np.pi * frequency_hz * partial * t) / partial**1.5 for partial in (1, 2, 3, 4))
    return np.asarray(tone * np.exp(-decay * t))


@sound("sweep")
def sweep(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """A sine that glides up and down between two pitches."""
    t = _clock(samples, rate_hz)
    low, octaves, period = rng.uniform(120, 220), rng.uniform(2.0, 3.5), rng.uniform(2.0, 4.0)
    frequency = low * 2 ** (octaves * (0.5 - 0.5 * np.cos(2 * np.pi * t / period)))
    return _finish(np.sin(2 * np.pi * np.cumsum(frequency) / rate_hz))


@sound("chords")
def chords(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """Soft triads, one after another."""
    root, step = rng.uniform(130, 200), rng.uniform(1.0, 1.6)
    t = _clock(int(step * 1.2 * rate_hz), rate_hz)
    envelope = np.minimum(1.0, t / 0.15) * np.exp(-1.2 * t)
    strikes = [
        envelope * sum(np.sin(2 * np.pi * root * 2 ** (note / 12) * t * k) / k**2 for note in triad for k in (1, 2, 3))
        for triad in TRIADS
    ]
    starts = _strike_times(samples, rate_hz, step)
    return _finish(_struck(samples, starts, strikes, np.arange(starts.size) % len(strikes)))


@sound("drums")
def drums(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """A bar of kick, snare and hat, over and over."""
    t = _clock(int(0.3 * rate_hz), rate_hz)
    kick = np.sin(2 * np.pi * (45 * t + 6 * (1 - np.exp(-30 * t)))) * np.exp(-12 * t)
    snare = (0.6 * rng.standard_normal(t.size) + 0.4 * np.sin(2 * np.pi * 190 * t)) * np.exp(-18 * t)
    hat = 0.35 * np.diff(rng.standard_normal(t.size), prepend=0.0) * np.exp(-60 * t)
    starts = _strike_times(samples, rate_hz, rng.uniform(0.2, 0.3))
    bar = np.array([0, 2, 1, 2, 0, 0, 1, 2])
    return _finish(_struck(samples, starts, [kick, snare, hat], np.resize(bar, starts.size)))


@sound("noise-bursts")
def noise_bursts(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """White noise that swells and stops, with silence in between."""
    phase = (_clock(samples, rate_hz) / rng.uniform(0.8, 1.6)) % 1.0
    return _finish(rng.standard_normal(samples) * np.where(phase < 0.6, phase**2, 0.0), peak=0.5)


@sound("surf")
def surf(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """Low-passed noise that comes and goes like waves on a beach."""
    width = int(rate_hz * 0.002)
    smooth = np.convolve(rng.standard_normal(samples + width - 1), np.hanning(width), mode="valid")
    swell = 0.25 + 0.75 * np.sin(np.pi * _clock(samples, rate_hz) / rng.uniform(2.5, 4.0)) ** 2
    return _finish(smooth * swell)


@sound("clicks")
def clicks(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """A dry tick at a steady beat, every fourth one lower."""
    t = _clock(int(0.03 * rate_hz), rate_hz)
    strikes = [np.sin(2 * np.pi * pitch * t) * np.exp(-180 * t) for pitch in (1800.0, 1200.0)]
    starts = _strike_times(samples, rate_hz, rng.uniform(0.25, 0.5))
    return _finish(_struck(samples, starts, strikes, (np.arange(starts.size) % 4 == 0).astype(np.int64)))


@sound("melody")
def melody(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """Plucked notes of a pentatonic scale, in random order."""
    root = rng.uniform(200, 330)
    strikes = [_pluck(root * 2 ** (note / 12), rate_hz, decay=5.0) for note in MAJOR_PENTATONIC]
    starts = _strike_times(samples, rate_hz, rng.uniform(0.18, 0.3))
    return _finish(_struck(samples, starts, strikes, rng.integers(0, len(strikes), starts.size)))


@sound("drone")
def drone(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """Low tones a little out of tune with each other, so that they beat."""
    t = _clock(samples, rate_hz)
    root = rng.uniform(55, 90)
    tones = [root * ratio * rng.uniform(0.995, 1.005) for ratio in (1.0, 1.0, 1.5, 2.0, 3.0)]
    return _finish(np.asarray(sum(np.sin(2 * np.pi * tone * t) for tone in tones)))


@sound("rising-steps")
def rising_steps(samples: int, rate_hz: int, rng: np.random.Generator) -> Waveform:
    """Short square-wave tones that climb a scale and begin again."""
    root, step = rng.uniform(220, 300), rng.uniform(0.12, 0.2)
    t = _clock(int(step * 0.8 * rate_hz), rate_hz)
    strikes = [np.sign(np.sin(2 * np.pi * root * 2 ** (n / 12) * t)) * np.exp(-6 * t) for n in MAJOR_PENTATONIC]
    starts = _strike_times(samples, rate_hz, step)
    return _finish(_struck(samples, starts, strikes, np.arange(starts.size) % len(strikes)), peak=0.4)
