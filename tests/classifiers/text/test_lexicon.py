from __future__ import annotations

from itertools import product

import pytest

from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet
from classifiers.text.lexicon import Lexicon, LexiconError, Node, free_lexicon, ordered_lexicon, read_words

AB = Alphabet(("a", "b", " "), blank=3)


def accepts(lexicon: Lexicon, text: str) -> bool:
    node = lexicon.start
    for label in lexicon.alphabet.encode(text):
        if label not in node.arcs:
            return False
        node = node.arcs[label]
    return node.may_end


def fewest_steps(node: Node, *, after_blank: bool) -> int:
    """Breadth first over single steps: a label, or a blank."""
    states, steps = {(id(node), after_blank): (node, after_blank)}, 0
    while not any(one.may_end for one, _ in states.values()):
        following = [(one, True) for one, _ in states.values()]
        following += [
            (after, False)
            for one, blank in states.values()
            for label, after in one.arcs.items()
            if blank or label != one.label
        ]
        states = {(id(one), blank): (one, blank) for one, blank in following}
        steps += 1
    return steps


def nodes_of(lexicon: Lexicon) -> list[Node]:
    found, waiting = {}, [lexicon.start]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            waiting += node.arcs.values()
    return list(found.values())


def test_a_free_lexicon_accepts_its_words_in_any_order_and_nothing_else():
    lexicon = free_lexicon(["ab", "a", "bb"], AB)
    for characters in (text for size in range(6) for text in product("ab ", repeat=size)):
        text = "".join(characters)
        words = text.split(" ") if text else []
        assert accepts(lexicon, text) == all(word in ("ab", "a", "bb") for word in words), text


def test_an_ordered_lexicon_accepts_one_word_of_each_list():
    lexicon = ordered_lexicon([["a", "ab"], ["b", "a"]], AB)
    sentences = {f"{first} {second}" for first in ("a", "ab") for second in ("a", "b")}
    for characters in (text for size in range(6) for text in product("ab ", repeat=size)):
        text = "".join(characters)
        assert accepts(lexicon, text) == (text in sentences), text
    assert lexicon.words == {"a", "ab", "b"}


def test_steps_count_the_blanks_between_equal_characters():
    lexicon = ordered_lexicon([["abb", "bbbb"], ["aa", "ba"]], AB)
    assert lexicon.start.steps == 7  # a b _ b, a space, b a
    for node in [*nodes_of(lexicon), *nodes_of(free_lexicon(["aab", "bb"], AB))]:
        assert node.steps == fewest_steps(node, after_blank=False)
        assert node.steps_after_blank == fewest_steps(node, after_blank=True)


def test_words_are_composed_and_counted_once():
    alphabet = Alphabet(("é", " "), blank=0)
    assert free_lexicon(["e\u0301", "é"], alphabet).words == {"é"}


def test_all_words_that_cannot_be_spelled_are_named():
    with pytest.raises(LexiconError) as error:
        free_lexicon(["bin", "blüe", "two words", "", "x" * 101], LIPNET_ALPHABET)
    message = str(error.value)
    assert "4 word(s) cannot be spelled: 'blüe' has characters that the alphabet lacks: '\\xfc'" in message
    assert "'two words' is not one word, '' is not one word, 'xxxxxxxxxxxxxxxxxxxx…' has 101 characters" in message


def test_a_lexicon_needs_words_and_a_space_between_them():
    letters = Alphabet(("a",), blank=1)
    with pytest.raises(LexiconError, match="lexicon: it has no words; the alphabet has no space"):
        free_lexicon([], letters)
    with pytest.raises(LexiconError, match="a list has no words"):
        ordered_lexicon([["a"], []], AB)
    with pytest.raises(LexiconError, match="it has no words"):
        ordered_lexicon([], AB)
    assert accepts(ordered_lexicon([["a"]], letters), "a")


def test_a_trie_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("classifiers.text.lexicon.MAX_NODES", 3)
    with pytest.raises(LexiconError, match="more than 3 nodes; bring fewer words"):
        free_lexicon(["ab", "ba"], AB)


def test_a_list_of_words_is_one_word_a_line():
    assert read_words("\ufeffbin\r\n\nblue\ne\u0301\nbin\n".encode()) == ("bin", "blue", "é")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no words"),
        (b"bin\nat f\n\xff\nred", "line 2: 'at f' is not one word, line 3: it is not UTF-8"),
        (b"two words\n" * 1000, "list of words: line 1: .*, line 5: 'two words' is not one word, …"),
        (b"\n".join(b"%d" % n for n in range(200_001)), "line 200001: more than 200,000 words"),
        (b"x" * (17 << 20), "it has 17,825,792 bytes, allowed: at most 16,777,216"),
    ],
)
def test_a_list_that_is_none_is_refused_by_line(content: bytes, message: str):
    with pytest.raises(LexiconError, match=message):
        read_words(content)
