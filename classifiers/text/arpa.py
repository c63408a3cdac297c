r"""Word n-gram language models in the ARPA form, which SRILM, KenLM and others write.

In: the bytes of a `.arpa` file in UTF-8. Out: `LanguageModel`, which gives each word its natural log-probability after
the words before it, by back-off: where the model has no n-gram of the words, the weight of the context and the
probability after the shorter context stand for it. The file holds logarithms to base 10.

    \data\                    the numbers of n-grams by their order
    ngram 1=4
    ngram 2=2
    \1-grams:                 log10 of the probability, the words, log10 of the weight of back-off; 0 if it is missing
    -0.6 bin -0.3
    \2-grams:
    -0.2 bin blue
    \end\

`<s>` opens a sentence, `</s>` closes it, `<unk>` stands for words that the model lacks. Files of users are hostile: the
memory of what a file claims, the length of its lines and its numbers are bounded, and the counts must be true.

Source: Katz, "Estimation of Probabilities from Sparse Data for the Language Model Component of a Speech Recognizer"
(1987); the form is that of SRILM's ngram-format(5).
"""

from __future__ import annotations

import io
import math
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from schemas.budget import Budget, BudgetError
from schemas.errors import examples, problem_list
from schemas.numerals import number_of, whole_number_of

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
MAX_ORDER = 6
MAX_LINE_BYTES = 4096
MAX_LISTED = 20  # problems of one file
NGRAM_BYTES = 300  # in memory, with its words and numbers
MEMORY = (1 << 30, "every worker holds the model; prune it, or train one of a lower order")
MAX_SHOWN = 60  # characters of a line in a message
LARGEST = 1000.0  # absolute value of a log10; SRILM writes -99 for a probability of 0
DATA, CLOSING = "\\data\\", "\\end\\"
COUNT = re.compile(r"ngram\s+(\d{1,9})\s*=\s*(\d{1,19})")  # 64 bits
SEPARATOR = re.compile(r"[ \t]+")
LOG_10 = math.log(10)

Words = tuple[str, ...]


class ArpaError(ValueError):
    """A file that is no language model; `problems` has one line for each problem, with its place."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = f"more than {MAX_LISTED}" if len(self.problems) > MAX_LISTED else ""
        super().__init__(problem_list("ARPA file", self.problems[:MAX_LISTED], count))


@dataclass(frozen=True)
class LanguageModel:
    """A back-off model; a context is the words before, at most `order` - 1, and a word follows it.

    order     of its longest n-grams
    ngrams    log10 of the probability of the last word after the others, and of the weight of back-off
    """

    order: int
    ngrams: Mapping[Words, tuple[float, float]] = field(repr=False)

    @property
    def start(self) -> Words:
        """The context of the first word."""
        return self._context((START,))

    def score(self, context: Words, word: str) -> tuple[float, Words]:
        """The natural log-probability of a word in composed form after `context`, and the context of the next word.

        Raises:
            KeyError: if the model has neither the word nor `<unk>`; see `lacking`.
        """
        if (word,) not in self.ngrams:
            word = UNKNOWN
        log10, rest = 0.0, context
        while (ngram := self.ngrams.get((*rest, word))) is None:
            if not rest:
                raise KeyError(word)
            log10 += self.ngrams.get(rest, (0.0, 0.0))[1]
            rest = rest[1:]
        return (log10 + ngram[0]) * LOG_10, self._context((*context, word))

    def sentence_score(self, words: Iterable[str]) -> float:
        """The natural log-probability of a whole sentence, its end included."""
        total, context = 0.0, self.start
        for word in (*words, END):
            log_probability, context = self.score(context, word)
            total += log_probability
        return total

    def lacking(self, words: Collection[str]) -> list[str]:
        """The words that have no probability, sorted: the model has neither them nor `<unk>`."""
        return [] if (UNKNOWN,) in self.ngrams else sorted(word for word in words if (word,) not in self.ngrams)

    def _context(self, words: Words) -> Words:
        return words[len(words) - self.order + 1 :] if len(words) >= self.order else words


def read_arpa(content: bytes) -> LanguageModel:
    """The model of an ARPA file.

    Raises:
        ArpaError: with what is wrong, by line; a broken structure alone, for what follows it means nothing.
    """
    return _Reader(content).model()


class _Reader:
    """Reads one file, line by line; blank lines mean nothing."""

    def __init__(self, content: bytes) -> None:
        self._lines = enumerate(io.BytesIO(content), 1)
        self._number, self._line = 0, ""
        self._problems: list[str] = []
        self._ngrams: dict[Words, tuple[float, float]] = {}

    def model(self) -> LanguageModel:
        while self._advance() and self._line != DATA:
            pass
        if self._line != DATA:
            self._fail(f"it has no line {DATA}: it is no ARPA file, or a compressed one")
        counts = self._counts()
        for order, count in enumerate(counts, 1):
            self._section(order, count, is_highest=order == len(counts))
        if self._line != CLOSING:
            self._fail(self._place(f"expected {CLOSING}, found {self._shown()}"))
        if missing := [word for word in (START, END) if (word,) not in self._ngrams]:
            self._problem(f"it has no {' and no '.join(missing)}: train it on sentences with their boundaries")
        if self._problems:
            raise ArpaError(self._problems)
        return LanguageModel(len(counts), self._ngrams)

    def _counts(self) -> list[int]:
        """The numbers of n-grams by order, the first of order 1."""
        counts: list[int] = []
        budget = Budget(*MEMORY)
        while self._advance() and (found := COUNT.fullmatch(self._line)):
            order, count = map(whole_number_of, found.groups())
            if order != len(counts) + 1 or order > MAX_ORDER:
                self._fail(self._place(f"found {self._line}, expected orders 1, 2, … up to {MAX_ORDER} at most"))
            try:
                budget.spend(self._place(f"{self._line!r}"), count * NGRAM_BYTES)
            except BudgetError as error:
                self._fail(str(error))
            counts.append(count)
        if not counts:
            self._fail(self._place(f"expected the number of words, as ngram 1=1000, found {self._shown()}"))
        return counts

    def _section(self, order: int, count: int, *, is_highest: bool) -> None:
        """The n-grams of one order; ends on the line after them."""
        if self._line != f"\\{order}-grams:":
            self._fail(self._place(f"expected \\{order}-grams:, found {self._shown()}"))
        entries = 0
        while self._advance() and not (self._line.startswith("\\") and self._line.endswith((":", "\\"))):
            entries += 1
            if entries > count:
                self._fail(self._place(f"more {order}-grams than the {count:,} of its head"))
            self._entry(order, is_highest=is_highest)
        if entries < count:
            self._problem(self._place(f"{entries:,} {order}-grams end here, its head has {count:,}"))

    def _entry(self, order: int, *, is_highest: bool) -> None:
        """One n-gram: its probability, words, and the weight of back-off unless its order is the highest."""
        cells = SEPARATOR.split(self._line)
        if len(cells) not in (order + 1, order + 2):
            expected = f"a number, {order} word(s) and perhaps a number"
            self._problem(self._place(f"expected {expected}, found {self._shown()}"))
            return
        words = tuple(sys.intern(unicodedata.normalize("NFC", word)) for word in cells[1 : order + 1])
        try:
            probability, weight = _log10(cells[0]), _log10(cells[order + 1]) if len(cells) > order + 1 else 0.0
        except ValueError as error:
            self._problem(self._place(str(error)))
            return
        if probability > 0:
            self._problem(self._place(f"{cells[0]} is no log10 of a probability: it is above 0"))
        if is_highest and weight:
            self._problem(self._place(f"a weight of back-off, {cells[-1]}, where the order is the highest"))
        if order > 1 and (unknown := [word for word in words if (word,) not in self._ngrams]):
            self._problem(self._place(f"words that are not among its 1-grams: {examples(unknown)}"))
        if words in self._ngrams:
            self._problem(self._place(f"{' '.join(words)!r} a second time"))
        self._ngrams[words] = (probability, weight)

    def _advance(self) -> bool:
        """Take the next line that is not blank; False at the end, where the line is empty."""
        for number, content in self._lines:
            self._number = number
            if len(content) > MAX_LINE_BYTES:
                self._fail(self._place(f"{len(content):,} bytes, allowed: at most {MAX_LINE_BYTES:,}"))
            try:
                self._line = content.decode().strip("\ufeff \t\r\n")
            except UnicodeDecodeError:
                self._fail(self._place("it is not UTF-8; unpack a compressed model, and save a binary one as ARPA"))
            if self._line:
                return True
        self._line = ""
        return False

    def _shown(self) -> str:
        if not self._line:
            return "the end of the file"
        return repr(self._line if len(self._line) <= MAX_SHOWN else f"{self._line[:MAX_SHOWN]}…")

    def _place(self, problem: str) -> str:
        return f"line {self._number}: {problem}"

    def _problem(self, problem: str) -> None:
        self._problems.append(problem)
        if len(self._problems) > MAX_LISTED:
            raise ArpaError(self._problems)

    def _fail(self, problem: str) -> NoReturn:
        raise ArpaError([*self._problems, problem])


def _log10(text: str) -> float:
    """A logarithm from a file."""
    value = float(number_of(text))
    if abs(value) > LARGEST:
        raise ValueError(f"{text} is no log10 of a probability or weight: it is beyond {LARGEST:g}")
    return value
