from __future__ import annotations

from math import prod

from classifiers.text.alphabet import LIPNET_ALPHABET
from classifiers.text.grid import GRID_WORDS, grid_lexicon
from classifiers.text.lexicon import Node


def test_it_has_the_sentences_of_the_corpus():
    assert prod(len(words) for words in GRID_WORDS) == 64_000
    lexicon = grid_lexicon(LIPNET_ALPHABET)

    def sentences(node: Node, known: dict[int, int]) -> int:
        if id(node) not in known:
            known[id(node)] = node.may_end + sum(sentences(after, known) for after in node.arcs.values())
        return known[id(node)]

    assert sentences(lexicon.start, {}) == 64_000
    assert lexicon.start.steps == len("bin red at a one now")


def test_a_file_name_spells_a_sentence():
    words = [known[letter] for letter, known in zip("bbaf2n", GRID_WORDS, strict=True)]
    assert " ".join(words) == "bin blue at f two now"
