"""The sentences of the GRID corpus: command, colour, preposition, letter, digit, adverb.

`GRID_WORDS` has the words of each place by the character that stands for them in a file's name: `bbaf2n` is "bin blue
at f two now". There is no letter w, whose name is long.

Source: Cooke, Barker, Cunningham and Shao, "An audio-visual corpus for speech perception and automatic speech
recognition" (2006).
"""

from __future__ import annotations

from collections.abc import Mapping

from classifiers.text.alphabet import Alphabet
from classifiers.text.lexicon import Lexicon, ordered_lexicon

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GRID_WORDS: tuple[Mapping[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    dict(zip("z123456789", DIGITS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


def grid_lexicon(alphabet: Alphabet) -> Lexicon:
    """The 64,000 sentences of the corpus, spelled in `alphabet`."""
    return ordered_lexicon([words.values() for words in GRID_WORDS], alphabet)
