"""The alphabet of a CTC network: which character each of its outputs stands for, and which output is the blank.

In: text. Out: output indices, and back. An alphabet is data that a checkpoint stores as JSON (`schemas.strict_json`):
the characters of any language, each one code point of text in Unicode's composed form (NFC), in the order of the
outputs. An empty entry is an output that stands for no character: Keras's `StringLookup` has one, for unknown
characters, at index 0. The blank has an output too, wherever `blank` says; the outputs after it move up by one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from schemas.errors import examples

MAX_CHARACTERS = 1 << 16
MAX_SHOWN = 80  # characters of a text or an alphabet in a message
SPACE = " "
JOINERS = "\u200c\u200d"  # invisible, but spelling in Persian and in Indian scripts


class AlphabetError(ValueError):
    """A text or an alphabet that a network's alphabet does not fit; the message says which characters, and where."""


@dataclass(frozen=True)
class Alphabet:
    """The outputs of a network; `ValueError` lists everything that is wrong with them.

    characters  of the outputs but the blank, in their order; "" for an output without a character
    blank       index of the blank among all outputs
    """

    characters: tuple[str, ...]
    blank: int

    def __post_init__(self) -> None:
        problems = []
        if len(self.characters) > MAX_CHARACTERS:
            raise ValueError(f"{len(self.characters)} characters, allowed: at most {MAX_CHARACTERS}")
        if not any(self.characters):
            problems.append("it has no characters")
        if not 0 <= self.blank <= len(self.characters):
            problems.append(f"blank is {self.blank}, expected an output from 0 to {len(self.characters)}")
        if wrong := [one for one in self.characters if one and not _is_character(one)]:
            problems.append(f"not single printable characters in composed form (NFC): {examples(wrong, ascii)}")
        if repeated := [one for one, times in Counter(self.characters).items() if times > 1]:
            problems.append(f"more than once: {examples(repeated)}")
        if problems:
            raise ValueError("alphabet: " + "; ".join(problems))

    @property
    def num_outputs(self) -> int:
        """Outputs of the network: the characters and the blank."""
        return len(self.characters) + 1

    @property
    def space(self) -> int | None:
        """The output of the space, which separates words; None if the alphabet has none."""
        return self._outputs.get(SPACE)

    def encode(self, text: str) -> tuple[int, ...]:
        """The outputs that spell `text`.

        Raises:
            AlphabetError: with each character that the alphabet lacks, and its first position.
        """
        composed = unicodedata.normalize("NFC", text)
        if lacking := dict.fromkeys(one for one in composed if one not in self._outputs):
            named = [f"{one!a} ({_name(one)}) at {composed.index(one) + 1}" for one in lacking]
            raise AlphabetError(
                f"{_shortened(composed)} has characters that the alphabet lacks: {examples(named, str)}; "
                f"it has {_shortened(''.join(self.characters))}"
            )
        return tuple(self._outputs[one] for one in composed)

    def decode(self, outputs: Iterable[int]) -> str:
        """The text that outputs spell; blanks and outputs without a character add nothing.

        Raises:
            AlphabetError: if the network has no such output.
        """
        outputs = [int(one) for one in outputs]
        if wrong := [one for one in outputs if not 0 <= one < self.num_outputs]:
            raise AlphabetError(f"no outputs of an alphabet of {self.num_outputs}: {examples([*map(str, wrong)], str)}")
        return "".join(self._texts[one] for one in outputs)

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        """What each output adds to a text."""
        return (*self.characters[: self.blank], "", *self.characters[self.blank :])

    @cached_property
    def _outputs(self) -> dict[str, int]:
        return {one: output for output, one in enumerate(self._texts) if one}


def alphabet_of(texts: Iterable[str]) -> Alphabet:
    """The alphabet of all characters in `texts`, in the order of their code points, the blank after them."""
    characters = sorted({one for text in texts for one in unicodedata.normalize("NFC", text)})
    return Alphabet(tuple(characters), blank=len(characters))


def check_same_alphabet(given: Alphabet, trained: Alphabet) -> None:
    """Check that an alphabet is that of a checkpoint, output by output.

    Raises:
        AlphabetError: with all differences.
    """
    if given == trained:
        return
    differences = []
    if missing := [one for one in trained.characters if one not in given.characters]:
        differences.append(f"it lacks {_listed(missing)}")
    if added := [one for one in given.characters if one not in trained.characters]:
        differences.append(f"it adds {_listed(added)}")
    if given.blank != trained.blank:
        differences.append(f"its blank is output {given.blank}, the checkpoint's {trained.blank}")
    if not differences:
        pairs = zip(given.characters, trained.characters, strict=True)
        place, (ours, theirs) = next((place, pair) for place, pair in enumerate(pairs) if pair[0] != pair[1])
        differences.append(f"its order differs: character {place} is {ours!r}, the checkpoint's {theirs!r}")
    raise AlphabetError(
        f"the alphabet ({given.num_outputs} outputs) is not that of the checkpoint ({trained.num_outputs}): "
        f"{'; '.join(differences)}. Use the checkpoint's alphabet, or train a new last layer for this one"
    )


def _is_character(one: str) -> bool:
    return len(one) == 1 and (one.isprintable() or one in JOINERS) and unicodedata.is_normalized("NFC", one)


def _listed(characters: Sequence[str]) -> str:
    return examples([repr(one) if one else "the output without a character" for one in characters], str)


def _name(character: str) -> str:
    return unicodedata.name(character, f"U+{ord(character):04X}")


def _shortened(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…")


# Of the reported LipNet: 40 characters, the first of them Keras's unknown one, and the blank as output 40.
LIPNET_ALPHABET = Alphabet(("", *"abcdefghijklmnopqrstuvwxyz'?!123456789 "), blank=40)
