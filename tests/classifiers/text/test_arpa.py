"""Back-off computed by hand, and files that lie."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from classifiers.text.arpa import MAX_LISTED, ArpaError, read_arpa

FILE = (Path(__file__).parents[2] / "fixtures/arpa/trigram.arpa").read_text()
HEAD = "\\data\\\nngram 1=3\n\\1-grams:\n"
WORDS = "-99 <s>\n-1 </s>\n"


def log10_of(*words: str) -> float:
    return read_arpa(FILE.encode()).sentence_score(words) / math.log(10)


@pytest.mark.parametrize(
    ("words", "log10"),
    [
        # <s> bin; <s> bin blue; "bin blue" is no context of </s>: its weight, then blue </s>
        (("bin", "blue"), -0.2 + -0.1 + (-0.03125 + -0.4)),
        # weight of <s>, blue; "<s> blue" is no context, weight 0, nor is there "blue bin": weight of blue, bin; </s>
        (("blue", "bin"), (-0.5 + -0.6) + (-0.125 + -0.7) + (-0.25 + -1.0)),
        # blue blue after <s>, then the weight of "blue blue" is 0, then blue </s>
        (("blue", "blue"), (-0.5 + -0.6) + -0.9 + -0.4),
        # an unknown word after bin: weights of "<s> bin" and of bin; unknown words are a context without a weight
        (("bin", "red"), -0.2 + (-0.0625 + -0.25 + -2.0) + -1.0),
        ((), -0.5 + -1.0),
    ],
)
def test_scores_are_those_of_back_off_by_hand(words: tuple[str, ...], log10: float):
    assert log10_of(*words) == pytest.approx(log10)


def test_a_context_is_as_long_as_the_order_needs():
    model = read_arpa(FILE.encode())
    context = model.start
    assert context == ("<s>",)
    for word in ("bin", "blue", "blue"):
        _, context = model.score(context, word)
    assert context == ("blue", "blue")
    alone = read_arpa((HEAD + WORDS + "-0.5 bin\n\\end\\").encode())
    assert alone.start == ()
    assert alone.score((), "bin") == (pytest.approx(-0.5 * math.log(10)), ())


def test_words_without_a_probability_are_named():
    assert read_arpa(FILE.encode()).lacking({"red", "bin"}) == []
    model = read_arpa((HEAD + WORDS + "-0.5 bin\n\\end\\").encode())
    assert model.lacking({"red", "bin", "green"}) == ["green", "red"]
    with pytest.raises(KeyError):
        model.score((), "red")


def test_words_are_composed_and_windows_lines_read():
    content = (HEAD + WORDS + "-1 e\u0301\n\\end\\").replace("\n", "\r\n")
    assert ("é",) in read_arpa(("\ufeff" + content).encode()).ngrams


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"no line \\data\\: it is no ARPA file, or a compressed one"),
        ("\\data\\\n", "line 1: expected the number of words, as ngram 1=1000, found the end of the file"),
        ("\\data\\\nngram 1=9999999999\n", "line 2: 'ngram 1=9999999999' claims 2,999,999,999,700 bytes"),
        ("\\data\\\nngram 1=99999999999999999999\n", "line 2: expected the number of words"),
        ("\\data\\\nngram 2=1\n", "line 2: found ngram 2=1, expected orders 1, 2, … up to 6"),
        ("\\data\\\n" + "".join(f"ngram {n}=1\n" for n in range(1, 8)), "line 8: found ngram 7=1"),
        ("\\data\\\nngram 1=3\n-1 bin", r"line 3: expected \\1-grams:, found '-1 bin'"),
        (HEAD + WORDS + "-1 bin\n-1 red\n\\end\\", "line 7: more 1-grams than the 3 of its head"),
        (HEAD + WORDS + "\\end\\", "line 6: 2 1-grams end here, its head has 3"),
        (HEAD + WORDS + "-1 bin\n", r"line 6: expected \\end\\, found the end of the file"),
        (HEAD + WORDS + "-1 bin blue red\n\\end\\", r"line 6: expected a number, 1 word\(s\) and perhaps a number"),
        (HEAD + WORDS + "-1 bin blue\n\\end\\", "line 6: 'blue' is not a number"),
        (HEAD + WORDS + "nan bin\n\\end\\", "line 6: 'nan' is not a number"),
        (HEAD + WORDS + "-1e99 bin\n\\end\\", "line 6: '-1e99' is not a number of 64 bits"),
        (HEAD + WORDS + "-1001 bin\n\\end\\", "line 6: -1001 is no log10 .* beyond 1000"),
        (HEAD + WORDS + "0.5 bin\n\\end\\", "line 6: 0.5 is no log10 of a probability: it is above 0"),
        (HEAD + WORDS + "-1 bin -0.5\n\\end\\", "line 6: a weight of back-off, -0.5, where the order is the highest"),
        (HEAD + WORDS + "-1 <s>\n\\end\\", "line 6: '<s>' a second time"),
        (HEAD + "-1 a\n-1 b\n-1 c\n\\end\\", "it has no <s> and no </s>: train it on sentences"),
        (HEAD + "-1 " + "a" * 5000 + "\n", "line 4: 5,004 bytes, allowed: at most 4,096"),
        (FILE.replace("bin blue\t", "bin red\t"), "line 17: words that are not among its 1-grams: 'red'"),
    ],
)
def test_a_file_that_is_no_model_is_refused_by_line(content: str, message: str):
    with pytest.raises(ArpaError, match=message):
        read_arpa(content.encode())


def test_problems_are_listed_together_up_to_a_limit():
    content = "\\data\\\nngram 1=100000\n\\1-grams:\n" + "".join(f"x {n}\n" for n in range(100_000)) + "\\end\\"
    with pytest.raises(ArpaError) as error:
        read_arpa(content.encode())
    assert len(error.value.problems) == MAX_LISTED + 1
    assert "line 4: 'x' is not a number" in str(error.value)
    assert "line 23: " in str(error.value)
    assert str(error.value).startswith("ARPA file: more than 20 problems\n")


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ArpaError, match="line 2: it is not UTF-8"):
        read_arpa(b"\\data\\\n\xff\xfe\n")
    with pytest.raises(ArpaError, match="not UTF-8"):
        read_arpa(b"\x1f\x8b\x08" + bytes(range(256)))
