from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest

from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet, AlphabetError, alphabet_of, check_same_alphabet
from schemas import strict_json

SENTENCES = ("bin blue at f two now", "Grüß Gott, señor", "добрый день", "今日は", "नमस्ते", "می\u200cروم")


def test_the_reported_alphabet_has_41_outputs():
    assert LIPNET_ALPHABET.num_outputs == 41
    assert LIPNET_ALPHABET.blank == 40
    assert LIPNET_ALPHABET.encode("az'?!19 ") == (1, 26, 27, 28, 29, 30, 38, 39)
    assert LIPNET_ALPHABET.space == 39
    assert LIPNET_ALPHABET.decode([0, 2, 40, 9, 14]) == "bin"  # unknown and blank add nothing


@pytest.mark.parametrize("blank", [0, 3, -1])
@pytest.mark.parametrize("sentence", SENTENCES)
def test_text_goes_there_and_back_wherever_the_blank_is(sentence: str, blank: int):
    alphabet = alphabet_of(SENTENCES)
    alphabet = replace(alphabet, blank=blank % alphabet.num_outputs)
    outputs = alphabet.encode(unicodedata.normalize("NFD", sentence))
    assert alphabet.blank not in outputs
    assert max(outputs) < alphabet.num_outputs
    assert alphabet.decode(outputs) == unicodedata.normalize("NFC", sentence)


def test_an_alphabet_survives_a_checkpoint():
    alphabet = alphabet_of(SENTENCES)
    text = strict_json.dump(alphabet)
    assert text.isascii()
    assert strict_json.load(Alphabet, text, "alphabet", schema_version=1) == alphabet


def test_unknown_characters_are_named_with_their_places():
    with pytest.raises(AlphabetError) as error:
        LIPNET_ALPHABET.encode("bin blüe 0 ü")
    assert str(error.value) == (
        r"'bin blüe 0 ü' has characters that the alphabet lacks: '\xfc' (LATIN SMALL LETTER U WITH DIAERESIS) at 7, "
        "'0' (DIGIT ZERO) at 10; it has \"abcdefghijklmnopqrstuvwxyz'?!123456789 \""
    )


@pytest.mark.parametrize("outputs", [[41], [-1]])
def test_outputs_that_a_network_lacks_are_refused(outputs: list[int]):
    with pytest.raises(AlphabetError, match="no outputs of an alphabet of 41: "):
        LIPNET_ALPHABET.decode(outputs)


def test_all_that_is_wrong_with_an_alphabet_is_said_at_once():
    with pytest.raises(ValueError, match="alphabet: ") as error:
        Alphabet(("a", "b", "a", "ch", "\n", "e\u0301"), blank=7)
    message = str(error.value)
    assert "blank is 7, expected an output from 0 to 6" in message
    assert r"(NFC): 'ch', '\n', 'e\u0301'" in message
    assert "more than once: 'a'" in message
    with pytest.raises(ValueError, match="it has no characters"):
        Alphabet(("",), blank=0)
    with pytest.raises(ValueError, match="at most 65536"):
        Alphabet(("a",) * 70_000, blank=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Alphabet(("b", "c"), 2), r"\(3 outputs\) is not that of the checkpoint \(3\): it lacks 'a'; it adds 'c'"),
        (Alphabet(("a", "b"), 0), "its blank is output 0, the checkpoint's 2"),
        (Alphabet(("b", "a"), 2), "its order differs: character 0 is 'b', the checkpoint's 'a'"),
        (Alphabet(("", "a", "b"), 3), "it adds the output without a character; its blank is output 3"),
    ],
)
def test_an_alphabet_of_another_checkpoint_is_refused(given: Alphabet, message: str):
    trained = Alphabet(("a", "b"), 2)
    check_same_alphabet(trained, trained)
    with pytest.raises(AlphabetError, match=message):
        check_same_alphabet(given, trained)
