"""Decoding from options: files of words and models, and what does not fit together."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from classifiers.text.alphabet import LIPNET_ALPHABET
from classifiers.text.arpa import read_arpa
from classifiers.text.decoder import TextDecoder
from classifiers.text.lexicon import LexiconError
from cluster.transcription.config import GRID, DecodingOptions
from cluster.transcription.decoding import Decoding, read_decoding
from tests.support.lips import SIGNS

ARPA = b"""\\data\\
ngram 1=4

\\1-grams:
-99 <s>
-0.5 </s>
-0.1 ab
-2 b

\\end\\
"""


def read(**options: object) -> tuple[Decoding, dict[str, str], list[str]]:
    problems: list[str] = []
    decoding, fingerprint = read_decoding(DecodingOptions(**options), SIGNS, problems)  # type: ignore[arg-type]
    return decoding, fingerprint, problems


def outputs(*steps: str) -> np.ndarray:
    """Log-probabilities of these characters, and of blanks for "-"."""
    rows = np.full((len(steps), 4), 0.01)
    rows[range(len(steps)), ["ab -".index(step) for step in steps]] = 0.97
    return np.log(rows)


def text(decoder: TextDecoder, *steps: str) -> str:
    return decoder.alphabet.decode(decoder.labels(outputs(*steps)))


def test_without_a_lexicon_any_characters_are_read() -> None:
    decoding, fingerprint, problems = read()
    decoder, fewest = decoding.build()
    assert (text(decoder, *"aab-b"), fewest, problems) == ("abb", 1, [])
    assert fingerprint == {"decoder.beam": "0"}
    decoder, _ = read(beam=4)[0].build()
    assert text(decoder, *"aab-b") == "abb"


def test_words_of_a_file_are_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("ab\nbb\n")
    decoding, fingerprint, problems = read(lexicon=str(path))
    decoder, fewest = decoding.build()
    assert (text(decoder, *"aa a"), fewest, problems) == ("ab", 2, [])
    assert (fingerprint["decoder.beam"], len(fingerprint["decoder.lexicon"])) == ("50", 64)
    assert text(pickle.loads(pickle.dumps(decoding)).build()[0], *"ab b-b") == "ab bb"


def test_a_language_model_changes_the_words(tmp_path: Path) -> None:
    words, model = tmp_path / "words.txt", tmp_path / "model.arpa"
    words.write_text("ab\nb\n")
    model.write_bytes(ARPA)
    steps = np.log([[0.4, 0.5, 0.05, 0.05], [0.05, 0.85, 0.05, 0.05]])
    found = {}
    for options in ({}, {"language_model": str(model), "lm_weight": 2.0}):
        decoding, fingerprint, problems = read(lexicon=str(words), **options)
        assert problems == []
        decoder, _ = decoding.build()
        found[decoder.alphabet.decode(decoder.labels(steps))] = sorted(fingerprint)
    assert list(found) == ["b", "ab"]
    assert found["ab"] == ["decoder.beam", "decoder.language_model", "decoder.lexicon", "decoder.lm_weight"]


def test_files_that_are_missing_or_wrong_are_all_told(tmp_path: Path) -> None:
    model = tmp_path / "model.arpa"
    model.write_bytes(b"no model")
    _, _, problems = read(lexicon=str(tmp_path / "none.txt"), language_model=str(model))
    assert len(problems) == 2
    assert problems[0].startswith(f"--lexicon {tmp_path}/none.txt: ")
    assert problems[1].startswith(f"--language-model {model}: ARPA file: it has no line ")


def test_words_that_the_alphabet_or_the_model_lacks_are_errors() -> None:
    with pytest.raises(LexiconError, match=r"1 word\(s\) cannot be spelled: 'cab' has characters"):
        Decoding(alphabet=SIGNS, beam=5, lexicon=("ab", "cab")).build()
    with pytest.raises(LexiconError, match="has no <unk>, and lacks 1 of the words: 'bb'"):
        Decoding(alphabet=SIGNS, beam=5, lexicon=("ab", "bb"), language_model=read_arpa(ARPA)).build()


def test_grid_sentences_need_their_frames() -> None:
    _, fewest = Decoding(alphabet=LIPNET_ALPHABET, beam=5, lexicon=GRID).build()
    assert fewest == len("bin red at a one now")
