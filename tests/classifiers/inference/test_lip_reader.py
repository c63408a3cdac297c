"""From crops of a mouth to a text with the times of its words."""

from __future__ import annotations

import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from classifiers.inference.lip_reader import LipReader, log_probabilities, read_text
from classifiers.text.alphabet import Alphabet
from classifiers.text.decoder import TextDecoder
from classifiers.text.lexicon import free_lexicon
from classifiers.weights.checkpoint import CheckpointError
from tests.support.checkpoints import trained
from tests.support.clips import trained_clips
from tests.support.devices import DEVICES
from tests.support.lips import trained_lips

CROPS = np.random.default_rng(0).integers(0, 256, (9, 24, 48, 3), dtype=np.uint8)
LETTERS = Alphabet(("a", "b", " "), blank=3)


def spoken(steps: str, probability: float = 0.9) -> np.ndarray:
    """Log-probabilities in which each step says one character of `LETTERS`, or the blank (_)."""
    places = ["ab _".index(step) for step in steps]
    shares = np.full((len(steps), 4), (1 - probability) / 3)
    shares[np.arange(len(steps)), places] = probability
    return np.log(shares)


def test_a_clip_gives_the_same_alone_and_padded_in_a_batch() -> None:
    reader = LipReader(trained_lips())
    model = pickle.loads(pickle.dumps(reader)).build()
    (alone,) = log_probabilities(model, [CROPS[:5]], reader.look)
    first, second = log_probabilities(model, [CROPS, CROPS[:5]], reader.look)
    assert (first.shape, second.shape) == ((9, 41), (5, 41))
    np.testing.assert_allclose(second, alone, atol=1e-5)
    np.testing.assert_allclose(np.exp(first).sum(1), 1, rtol=1e-5)
    assert reader.name == f"lipnet-keras@{reader.config.weights_sha256[:12]}"


def test_a_text_has_its_probability_and_the_times_of_its_words() -> None:
    reader = LipReader(trained_lips(alphabet=LETTERS))
    read = reader.read(spoken("_ab_ bb_"), TextDecoder(LETTERS))
    assert read.text == "ab b"
    assert 0.9**8 < read.score < 1
    assert [(word.word, word.start_seconds, word.end_seconds) for word in read.words] == [
        ("ab", Fraction(1, 25), Fraction(3, 25)),
        ("b", Fraction(5, 25), Fraction(7, 25)),
    ]
    assert read.words[0].score == pytest.approx(0.9)
    assert reader.read(spoken("____"), TextDecoder(LETTERS)).words == ()


def test_without_a_space_each_character_has_its_time() -> None:
    letters = Alphabet(("a", "b"), blank=2)
    logs = np.log(np.full((4, 3), 0.05) + 0.85 * np.eye(3)[[0, 2, 1, 1]])
    read = read_text(logs, TextDecoder(letters), Fraction(25))
    found = [(word.word, word.start_seconds, word.end_seconds) for word in read.words]
    assert found == [("a", 0, Fraction(1, 25)), ("b", Fraction(2, 25), Fraction(4, 25))]


def test_a_lexicon_decides_between_words() -> None:
    reader = LipReader(trained_lips(alphabet=LETTERS))
    words = TextDecoder(LETTERS, beam=10, lexicon=free_lexicon(["aa", "bb"], LETTERS))
    assert reader.read(spoken("aa_b_"), words).text in ("aa", "bb")


def test_the_crops_of_a_checkpoint_are_those_of_its_model() -> None:
    look = trained_lips().config.lips
    assert look is not None
    with pytest.raises(CheckpointError, match="but the options of 'lipnet-keras' require"):
        LipReader(trained_lips(lips=replace(look, normalisation="unit")))
    with pytest.raises(ValueError, match="a crop is 24 x 48 x 3, got 20 x 48 x 3"):
        log_probabilities(LipReader(trained_lips()).build(), [CROPS[:, :20]], look)


def test_other_classifiers_do_not_read_lips() -> None:
    with pytest.raises(CheckpointError, match="model 'dense-5' takes features: it does not read lips"):
        LipReader(trained(), "mine")
    with pytest.raises(CheckpointError, match="takes clips: it does not read lips"):
        LipReader(trained_clips())


@pytest.mark.parametrize("device", DEVICES)
def test_it_reads_where_it_is_put(device: torch.device) -> None:
    reader = LipReader(trained_lips())
    clips = [CROPS, CROPS[:5]]
    expected = log_probabilities(reader.build(), clips, reader.look)
    found = log_probabilities(reader.build().to(device), clips, reader.look)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_it_is_built_for_reading() -> None:
    model = LipReader(trained_lips()).build()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.training
    assert next(model.parameters()).device == torch.device("cpu")
