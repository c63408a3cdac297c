"""Sentences of the GRID corpus as movements of a mouth: which viseme when, and the shape of the mouth frame by frame.

In: a sentence. Out: `Speech`, when each of its visemes and words is spoken, and from it `mouth_shapes` (T, 6), the
parameters of `SHAPE` in each of T frames, at `RATE` frames a second.

Sounds that look alike have one viseme: p, b and m close the lips, d cannot be told from t. So some words look alike,
letters above all (`lookalikes`): no reader tells them apart, here as in life. A vowel's length varies, and so does the
pause between two words.

Neighbouring visemes blend (coarticulation): each pulls the shape towards its own target with a strength that falls with
the distance in time, and the shape is the weighted mean. Closed lips pull hard and briefly, rounded lips long. Source:
Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from classifiers.text.grid import GRID_WORDS
from schemas.spoken_words import SpokenWord

RATE = 25  # frames a second
FRAMES = 75
SHAPE = ("opening", "width", "fullness", "teeth", "tongue", "tuck")
# Lengths in frames, and how much they vary: the deviation of their logarithm.
CONSONANT, VOWEL, VARIATION = 2.6, 3.4, 0.15
PAUSES = (0.3, 1.6)  # between words
MARGIN = 3.0  # of silence at least, before and after the sentence
REACH = 1.5  # frames over which the pull of a viseme falls by the factor e


@dataclass(frozen=True)
class Viseme:
    """What a mouth does for a group of sounds.

    opening   between the lips, as a part of the width of the mouth at rest
    width     of the mouth, relative to that at rest
    fullness  of the lips, relative to that at rest: pressed together below 1, protruded above
    teeth     how much of the upper teeth shows, 0 to 1
    tongue    how much of the tongue shows, 0 to 1
    tuck      how far the lower lip is under the upper teeth, 0 to 1
    strength, reach   of its pull on the shape: at its centre, and how far that goes in time, relative to others
    """

    opening: float
    width: float
    fullness: float = 1.0
    teeth: float = 0.0
    tongue: float = 0.0
    tuck: float = 0.0
    strength: float = 1.0
    reach: float = 1.0


SILENCE = "-"
VISEMES: Mapping[str, Viseme] = {
    SILENCE: Viseme(0.02, 1.0, strength=0.6),
    "P": Viseme(0.0, 0.97, 0.7, strength=5.0, reach=0.6),
    "F": Viseme(0.10, 1.0, 0.9, teeth=0.9, tuck=1.0, strength=3.0, reach=0.7),
    "TH": Viseme(0.18, 1.0, teeth=0.5, tongue=1.0, strength=2.0),
    "T": Viseme(0.15, 1.02, teeth=0.6, tongue=0.35),
    "S": Viseme(0.09, 1.10, teeth=1.0, strength=1.5),
    "L": Viseme(0.28, 1.0, teeth=0.25, tongue=0.8),
    "SH": Viseme(0.18, 0.76, 1.35, teeth=0.9, strength=1.5),
    "K": Viseme(0.24, 0.98, teeth=0.35, tongue=0.1, strength=0.7),
    "R": Viseme(0.18, 0.82, 1.15, teeth=0.25, tongue=0.2),
    "W": Viseme(0.08, 0.55, 1.4, strength=2.0, reach=1.2),
    "IY": Viseme(0.20, 1.18, teeth=0.7),
    "EH": Viseme(0.36, 1.10, teeth=0.5, tongue=0.3),
    "AH": Viseme(0.30, 1.0, teeth=0.2, strength=0.8),
    "AA": Viseme(0.55, 1.0, teeth=0.25, tongue=0.3, strength=1.2),
    "AO": Viseme(0.42, 0.74, 1.2, strength=1.2, reach=1.1),
    "UW": Viseme(0.14, 0.62, 1.35, strength=1.4, reach=1.2),
}
VOWELS = ("IY", "EH", "AH", "AA", "AO", "UW")
# Sounds by ARPABET, with the visemes that show them.
SOUNDS: Mapping[str, tuple[str, ...]] = {
    sound: tuple(visemes.split())
    for visemes, sounds in {
        "P": "p b m",
        "F": "f v",
        "TH": "th",
        "T": "t d n",
        "S": "s z",
        "L": "l",
        "SH": "sh ch jh",
        "K": "k g y",
        "R": "r",
        "W": "w",
        "IY": "iy ih",
        "EH": "eh ae",
        "AH": "ah ax",
        "AA": "aa",
        "AO": "ao",
        "UW": "uw",
        "EH IY": "ey",
        "AA IY": "ay",
        "AO UW": "ow",
        "AA UW": "aw",
    }.items()
    for sound in sounds.split()
}
# The words of the corpus, letters by their British names.
PRONUNCIATIONS: Mapping[str, str] = dict(
    line.strip().split(": ")
    for line in """
        bin: b ih n | lay: l ey | place: p l ey s | set: s eh t
        blue: b l uw | green: g r iy n | red: r eh d | white: w ay t
        at: ae t | by: b ay | in: ih n | with: w ih th
        a: ey | b: b iy | c: s iy | d: d iy | e: iy | f: eh f | g: jh iy | h: ey ch | i: ay | j: jh ey | k: k ey
        l: eh l | m: eh m | n: eh n | o: ow | p: p iy | q: k y uw | r: aa r | s: eh s | t: t iy | u: y uw | v: v iy
        x: eh k s | y: w ay | z: z eh d
        zero: z ih r ow | one: w ah n | two: t uw | three: th r iy | four: f ao r | five: f ay v | six: s ih k s
        seven: s eh v ax n | eight: ey t | nine: n ay n
        again: ax g eh n | now: n aw | please: p l iy z | soon: s uw n
    """.replace("\n", "|").split("|")
    if line.strip()
)


@dataclass(frozen=True)
class Span:
    """A viseme and its time in frames, half open."""

    viseme: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """A sentence as it is spoken; `spans` follow each other, silence among them, and cover all frames."""

    text: str
    words: tuple[SpokenWord, ...]
    spans: tuple[Span, ...]


def visemes_of(word: str) -> tuple[str, ...]:
    """What a word looks like."""
    return tuple(viseme for sound in PRONUNCIATIONS[word].split() for viseme in SOUNDS[sound])


def lookalikes() -> list[tuple[str, ...]]:
    """The words that look alike among those of one place in a sentence."""
    found: dict[tuple[int, tuple[str, ...]], list[str]] = defaultdict(list)
    for place, words in enumerate(GRID_WORDS):
        for word in words.values():
            found[place, visemes_of(word)].append(word)
    return [tuple(words) for words in found.values() if len(words) > 1]


def unavoidable_word_error_rate() -> float:
    """The share of words that a perfect reader gets wrong: it has to guess among those that look alike."""
    sizes = {word: len(words) for words in lookalikes() for word in words}
    missed = [float(np.mean([1 - 1 / sizes.get(word, 1) for word in words.values()])) for words in GRID_WORDS]
    return float(np.mean(missed))


def random_sentence(rng: np.random.Generator) -> str:
    """One of the 64,000 sentences of the corpus."""
    return " ".join(list(words.values())[int(rng.integers(len(words)))] for words in GRID_WORDS)


def speak(rng: np.random.Generator, text: str, pace: float = 1.0, frames: int = FRAMES) -> Speech:
    """A sentence in `frames` frames, at a random time; sounds are `pace` times as long as usual, or shorter to fit."""
    lengths: list[tuple[int | None, str, float]] = []  # (place of the word, viseme, length)
    for place, word in enumerate(text.split()):
        if place:
            lengths.append((None, SILENCE, rng.uniform(*PAUSES)))
        for viseme in visemes_of(word):
            usual = VOWEL if viseme in VOWELS else CONSONANT
            lengths.append((place, viseme, pace * usual * float(np.exp(VARIATION * rng.standard_normal()))))
    total = sum(length for _, _, length in lengths)
    factor = min(1.0, (frames - 2 * MARGIN) / total)
    time = rng.uniform(MARGIN, frames - MARGIN - factor * total)
    spans = [Span(SILENCE, 0.0, time)]
    times: dict[int, tuple[float, float]] = {}
    for at, viseme, length in lengths:
        spans.append(Span(viseme, time, time + factor * length))
        time = spans[-1].end
        if at is not None:
            times[at] = times[at][0] if at in times else spans[-1].start, time
    spans.append(Span(SILENCE, time, float(frames)))
    words = tuple(
        SpokenWord(word, *(Fraction(round(1000 * frame / RATE), 1000) for frame in times[place]))
        for place, word in enumerate(text.split())
    )
    return Speech(text, words, tuple(spans))


def mouth_shapes(speech: Speech) -> NDArray[np.float32]:
    """The shape of the mouth in the middle of each frame, (T, 6)."""
    frames = round(speech.spans[-1].end)
    at = np.arange(frames)[:, None] + 0.5  # (T, 1)
    visemes = [VISEMES[span.viseme] for span in speech.spans]
    targets = np.array([[getattr(viseme, name) for name in SHAPE] for viseme in visemes])  # (V, 6)
    start, end = np.array([(span.start, span.end) for span in speech.spans]).T
    strength, reach = np.array([(viseme.strength, viseme.reach) for viseme in visemes]).T
    core = (end - start) / 4  # around its centre, where a viseme pulls with all its strength
    distance = np.maximum(abs(at - (start + end) / 2) - core, 0)  # (T, V)
    pull = strength * np.exp(-distance / (REACH * reach))
    shapes: NDArray[np.float32] = (pull @ targets / pull.sum(axis=1, keepdims=True)).astype(np.float32)
    return shapes
