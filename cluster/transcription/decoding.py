"""How a run decodes text: its alphabet, lexicon and language model, as data that travels to workers.

In: the options, and the alphabet of the lip reader. Out: `Decoding`, of which each process builds its `TextDecoder`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from classifiers.text.alphabet import Alphabet
from classifiers.text.arpa import ArpaError, LanguageModel, read_arpa
from classifiers.text.beam import WordScores
from classifiers.text.decoder import TextDecoder
from classifiers.text.grid import grid_lexicon
from classifiers.text.lexicon import Lexicon, LexiconError, free_lexicon, read_words
from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from cluster.transcription.config import GRID, DecodingOptions


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How log-probabilities become text.

    beam            prefixes that are kept; 0: greedy
    lexicon         `grid`, or the words that are read; None: any characters
    language_model  of these words
    lm_weight       its weight
    word_bonus      added for each word
    """

    alphabet: Alphabet
    beam: int = 0
    lexicon: str | tuple[str, ...] | None = None
    language_model: LanguageModel | None = field(default=None, repr=False)
    lm_weight: float = 1.0
    word_bonus: float = 0.0

    @property
    def between(self) -> str:
        """What stands between two words: nothing, where the alphabet has no space and words are characters."""
        return "" if self.alphabet.space is None else " "

    def build(self) -> tuple[TextDecoder, int]:
        """The decoder, and the fewest frames in which it can read anything.

        Raises:
            LexiconError: for words that the alphabet cannot spell, or that the language model lacks.
            ValueError: for options that do not go together.
        """
        lexicon = self._lexicon()
        scores = None
        if self.language_model is not None or self.word_bonus:
            scores = WordScores(
                language_model=self.language_model, lm_weight=self.lm_weight, word_bonus=self.word_bonus
            )
        decoder = TextDecoder(self.alphabet, beam=self.beam, lexicon=lexicon, word_scores=scores)
        return decoder, 1 if lexicon is None else fewest_frames(lexicon)

    def _lexicon(self) -> Lexicon | None:
        if self.lexicon is None:
            return None
        if isinstance(self.lexicon, str):
            return grid_lexicon(self.alphabet)
        return free_lexicon(self.lexicon, self.alphabet)


def fewest_frames(lexicon: Lexicon) -> int:
    """The frames that the shortest sentence needs which is not empty."""
    return 1 + min(node.steps for node in lexicon.start.arcs.values())


def read_decoding(options: DecodingOptions, alphabet: Alphabet, problems: list[str]) -> tuple[Decoding, dict[str, str]]:
    """The decoding that the options name, and what of it makes transcripts comparable; and more `problems`."""
    lexicon: str | tuple[str, ...] | None = None
    model: LanguageModel | None = None
    fingerprint = {"decoder.beam": str(options.width)}
    if options.lexicon == GRID:
        lexicon, fingerprint["decoder.lexicon"] = GRID, GRID
    elif options.lexicon is not None:
        with _explained("lexicon", options.lexicon, problems):
            lexicon = read_words(files.read_bytes(options.lexicon))
            fingerprint["decoder.lexicon"] = _hash("\n".join(lexicon).encode())
    if options.language_model is not None:
        with _explained("language-model", options.language_model, problems):
            content = files.read_bytes(options.language_model)
            model = read_arpa(content)
            fingerprint |= {"decoder.language_model": _hash(content), "decoder.lm_weight": repr(options.lm_weight)}
    if options.word_bonus:
        fingerprint["decoder.word_bonus"] = repr(options.word_bonus)
    decoding = Decoding(
        alphabet=alphabet,
        beam=options.width,
        lexicon=lexicon,
        language_model=model,
        lm_weight=options.lm_weight,
        word_bonus=options.word_bonus,
    )
    return decoding, fingerprint


@contextmanager
def _explained(name: str, uri: str, problems: list[str]) -> Iterator[None]:
    """Add what is wrong with the file of an option to `problems`."""
    try:
        yield
    except (OSError, files.StorageError, LexiconError, ArpaError) as error:
        problems.append(f"--{name} {redacted_uri(uri)}: {error}")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
