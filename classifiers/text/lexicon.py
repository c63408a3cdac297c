"""Lexicons: the sentences that a decoder may write, as an automaton over the outputs of a network.

In: words, and the alphabet that spells them. Out: `Lexicon`, a trie of the words whose arcs are outputs. Words are
separated by one space; there is none before the first word and after the last. Either any sequence of the words is a
sentence, the empty one too (`free_lexicon`), or a sentence has one word of each of several lists, in their order
(`ordered_lexicon`), as in the GRID corpus (`grid`).

A list of words from a file is read by `read_words`. Files of users are hostile: their size, the words and the trie are
bounded.
"""

from __future__ import annotations

import heapq
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from classifiers.text.alphabet import Alphabet, AlphabetError
from schemas.errors import EXAMPLES, examples

MAX_BYTES = 16 << 20  # of a list of words
MAX_WORDS = 200_000
MAX_WORD_CHARACTERS = 100
MAX_NODES = 1 << 20  # of a trie, some 250 bytes each
NEVER = MAX_NODES  # more steps than any sentence needs: it cannot end from there


class LexiconError(ValueError):
    """Words that make no lexicon; `problems` has one line for each problem."""

    def __init__(self, subject: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{subject}: " + "; ".join(problems))


@dataclass(eq=False, repr=False, slots=True)
class Node:
    """A place in a sentence.

    label              the output that leads here; None for the start
    arcs               the outputs that may follow, and where they lead
    word               the word that is complete here, or None; the arc of a space leaves it behind
    may_end            whether the sentence may end here
    steps              the fewest steps, with the blanks between equal outputs, until it may end
    steps_after_blank  likewise if a blank has just been passed
    """

    label: int | None
    arcs: dict[int, Node] = field(default_factory=dict)
    word: str | None = None
    may_end: bool = False
    steps: int = NEVER
    steps_after_blank: int = NEVER


@dataclass(frozen=True)
class Lexicon:
    """The automaton: the place where sentences start, and all words."""

    alphabet: Alphabet
    start: Node = field(repr=False)
    words: frozenset[str]


def free_lexicon(words: Iterable[str], alphabet: Alphabet) -> Lexicon:
    """Sentences of any words in any order, none among them.

    Raises:
        LexiconError: with everything that is wrong with the words, or if the alphabet has no space.
    """
    (words,) = _checked([words], alphabet, needs_space=True)
    space = alphabet.space
    assert space is not None
    nodes = _Nodes()
    following = nodes.new(space)
    _add_words(nodes, following, words, alphabet)
    for node in nodes.all:
        if node.word is not None:
            node.may_end = True
            node.arcs[space] = following
    start = nodes.new(None)
    start.arcs, start.may_end = following.arcs, True
    return _finished(nodes, start, words, alphabet)


def ordered_lexicon(lists: Sequence[Iterable[str]], alphabet: Alphabet) -> Lexicon:
    """Sentences of one word of each list, in the order of the lists.

    Raises:
        LexiconError: with everything that is wrong with the words, or if the alphabet has no space.
    """
    if not lists:
        raise LexiconError("lexicon", ["it has no words"])
    checked = _checked(lists, alphabet, needs_space=len(lists) > 1)
    space = alphabet.space
    nodes = _Nodes()
    starts = [nodes.new(space if place else None) for place in range(len(checked))]
    for place, words in enumerate(checked):
        known = len(nodes.all)
        _add_words(nodes, starts[place], words, alphabet)
        for node in nodes.all[known:]:
            if node.word is None:
                continue
            if starts[place] is starts[-1]:
                node.may_end = True
            elif space is not None:
                node.arcs[space] = starts[place + 1]
    return _finished(nodes, starts[0], [word for words in checked for word in words], alphabet)


def read_words(content: bytes) -> tuple[str, ...]:
    """The words of a text file in UTF-8, one a line; blank lines and repeated words are left out.

    Raises:
        LexiconError: with the lines that are wrong.
    """
    if len(content) > MAX_BYTES:
        raise LexiconError("list of words", [f"it has {len(content):,} bytes, allowed: at most {MAX_BYTES:,}"])
    words: dict[str, None] = {}
    problems: list[str] = []
    for number, line in enumerate(io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")), 1):
        try:
            word = line.decode().strip()
            problem = _problem(word) if word else ""  # before it is composed, which takes long for long ones
        except UnicodeDecodeError:
            word, problem = "", "it is not UTF-8"
        if problem:
            problems.append(f"line {number}: {problem}")
        elif word:
            words[unicodedata.normalize("NFC", word)] = None
        if len(words) > MAX_WORDS or len(problems) > EXAMPLES:
            break
    if len(words) > MAX_WORDS:
        problems.append(f"line {number}: more than {MAX_WORDS:,} words")
    if not words and not problems:
        problems.append("it has no words")
    if problems:
        raise LexiconError("list of words", [examples(problems, str)])
    return tuple(words)


class _Nodes:
    """The nodes of a lexicon in the making, of a limited number."""

    def __init__(self) -> None:
        self.all: list[Node] = []

    def new(self, label: int | None) -> Node:
        if len(self.all) == MAX_NODES:
            raise LexiconError("lexicon", [f"its trie has more than {MAX_NODES:,} nodes; bring fewer words"])
        self.all.append(Node(label))
        return self.all[-1]


def _checked(lists: Sequence[Iterable[str]], alphabet: Alphabet, *, needs_space: bool) -> list[list[str]]:
    """The words in composed form, each once in its list, or `LexiconError`."""
    composed = [list(dict.fromkeys(unicodedata.normalize("NFC", word) for word in words)) for words in lists]
    problems = ["it has no words" if len(composed) == 1 else "a list has no words"] if not all(composed) else []
    if needs_space and alphabet.space is None:
        problems.append("the alphabet has no space to separate words")
    distinct = dict.fromkeys(word for words in composed for word in words)
    if wrong := [problem for word in distinct if (problem := _problem(word, alphabet))]:
        problems.append(f"{len(wrong)} word(s) cannot be spelled: " + examples(wrong, str))
    if problems:
        raise LexiconError("lexicon", problems)
    return composed


def _problem(word: str, alphabet: Alphabet | None = None) -> str:
    """Why a word is none, or cannot be spelled; empty if it can."""
    if not word or any(one.isspace() for one in word):
        return f"{word[:MAX_WORD_CHARACTERS]!r} is not one word"
    if len(word) > MAX_WORD_CHARACTERS:
        return f"'{word[:20]}…' has {len(word)} characters, allowed: at most {MAX_WORD_CHARACTERS}"
    try:
        if alphabet is not None:
            alphabet.encode(word)
    except AlphabetError as error:
        return str(error)
    return ""


def _add_words(nodes: _Nodes, start: Node, words: Iterable[str], alphabet: Alphabet) -> None:
    for word in words:
        node = start
        for label in alphabet.encode(word):
            if label not in node.arcs:
                node.arcs[label] = nodes.new(label)
            node = node.arcs[label]
        node.word = word


def _finished(nodes: _Nodes, start: Node, words: Iterable[str], alphabet: Alphabet) -> Lexicon:
    """The lexicon, with the steps of every node: shortest ways, backwards from where sentences may end."""
    numbers = {id(node): number for number, node in enumerate(nodes.all)}
    before: list[list[int]] = [[] for _ in nodes.all]
    for number, node in enumerate(nodes.all):
        for following in node.arcs.values():
            before[numbers[id(following)]].append(number)
    waiting = [(0, number) for number, node in enumerate(nodes.all) if node.may_end]
    for _, number in waiting:
        nodes.all[number].steps = 0
    while waiting:
        steps, number = heapq.heappop(waiting)
        for previous in before[number]:
            node = nodes.all[previous]
            way = steps + (2 if node.label == nodes.all[number].label else 1)
            if way < node.steps:
                node.steps = way
                heapq.heappush(waiting, (way, previous))
    for node in nodes.all:
        node.steps_after_blank = 0 if node.may_end else 1 + min(after.steps for after in node.arcs.values())
    return Lexicon(alphabet, start, frozenset(words))
