"""Visemes: groups of sounds that look alike on the lips, and the letters that stand for them most often.

The groups are those of Neti et al., "Audio-Visual Speech Recognition" (2000), which the paper on LipNet uses as well.
Spelling is no transcription: a letter is counted for the sound that it has most often in English, silent letters among
them. Characters of other scripts, digits and signs are groups of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

VISEMES: Mapping[str, str] = {
    "a e": "ae",
    "i": "i",
    "o u": "ou",
    "h": "h",
    "l r y": "lry",
    "s x z": "sxz",
    "d n t": "dnt",
    "j": "j",
    "b m p": "bmp",
    "f v": "fv",
    "c g k q w": "cgkqw",
}
_VISEME_OF = {letter: name for name, letters in VISEMES.items() for letter in letters}


def viseme_of(character: str) -> str:
    """The group of a character; the character itself where it is in none."""
    return _VISEME_OF.get(character.lower(), character)
