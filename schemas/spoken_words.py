"""When the words of a sentence are spoken: one row for each word, as manifests hold them beside the sentence."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word, in Unicode's composed form (NFC), and its seconds after the first frame of the video, half open.

    Times are whole microseconds, and an `int` where they are whole seconds, as those of `schemas.videos`.
    """

    word: str
    start_seconds: int | Fraction
    end_seconds: int | Fraction
