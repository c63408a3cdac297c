import itertools
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmarks import lip_reading
from benchmarks.generated_mouths import draw_clips
from benchmarks.generated_speech import RATE, random_sentence
from classifiers.lip_models.registry import build_lip_model
from classifiers.text.alphabet import LIPNET_ALPHABET as ALPHABET
from classifiers.text.arpa import END, START, read_arpa
from classifiers.text.grid import GRID_WORDS

NETWORK = {**lip_reading.NETWORK, "width_factor": 1 / 32, "cells_factor": 8.0}
SENTENCES = [random_sentence(np.random.default_rng(seed)) for seed in range(300)]
MODEL = read_arpa(lip_reading.bigram_arpa(SENTENCES))


def spelled(text, sure=0.9):
    """Log-probabilities (T, K) of a network that sees `text`, each character for a step, a blank after it."""
    path = [output for label in ALPHABET.encode(text) for output in (label, ALPHABET.blank)]
    values = np.full((len(path), ALPHABET.num_outputs), (1 - sure) / (ALPHABET.num_outputs - 1))
    values[np.arange(len(path)), path] = sure
    return np.log(values)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other take longer than such small networks."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def examples():
    model = build_lip_model("lipnet-keras", num_classes=ALPHABET.num_outputs, options=NETWORK)
    size = (model.lip_input.height, model.lip_input.width)
    return model, lip_reading.examples_of(draw_clips(0, range(2), 2, *size), model)


def test_a_bigram_model_knows_the_order_of_words():
    words = [START, *SENTENCES[0].split(), END]
    assert all(MODEL.score((before,), word)[0] > math.log(0.005) for before, word in itertools.pairwise(words))
    for context in ((START,), ("bin",), ("at",), ("now",)):
        total = sum(
            math.exp(MODEL.score(context, word)[0])
            for (word,) in [key for key in MODEL.ngrams if len(key) == 1]
            if word != START
        )
        assert total == pytest.approx(1, abs=1e-3)
    assert MODEL.sentence_score(["bin", "blue"]) > MODEL.sentence_score(["blue", "bin"])


def test_decoders_read_what_is_clear_and_lexicons_mend_what_is_not():
    found = lip_reading.decoders(MODEL)
    assert [*found] == ["greedy", "beam", "words", "+ bigram", "grammar"]
    for text in SENTENCES[:2]:
        assert {name: decode(spelled(text)) for name, decode in found.items()} == dict.fromkeys(found, text)
    misread = spelled("bin blua at f two now")
    assert found["beam"](misread) == "bin blua at f two now"
    assert found["words"](misread) == found["+ bigram"](misread) == found["grammar"](misread) == "bin blue at f two now"


def test_cuts_are_words_of_the_sentence_with_their_frames(examples):
    _, (example, *_) = examples
    found = lip_reading.cuts([example], np.random.default_rng(0))
    assert [cut.text.split()[0] for cut in found] == example.text.split()
    assert {len(cut.text.split()) for cut in found} == {1, lip_reading.MOST_WORDS}
    for cut in found:
        count = len(cut.text.split())
        assert f" {cut.text} " in f" {example.text} "
        assert 4 * count < len(cut.frames) < RATE * count
        assert len(cut.frames) >= len(cut.text) + sum(a == b for a, b in pairwise(cut.text))


def test_batches_have_each_example_once_with_those_of_equal_length(examples):
    _, clips = examples
    found = lip_reading.cuts(clips, np.random.default_rng(0))
    batches = list(lip_reading.batches(found, np.random.default_rng(0)))
    assert sorted(one.text for batch in batches for one in batch) == sorted(one.text for one in found)
    lengths = sorted(sorted(len(one.frames) for one in batch) for batch in batches)
    assert all(shorter[-1] <= longer[0] for shorter, longer in pairwise(lengths))
    assert len(batches) == math.ceil(len(found) / lip_reading.BATCH)


def test_training_goes_from_words_to_sentences(examples, capsys):
    model, clips = examples
    torch.manual_seed(0)
    before = lip_reading.loss_of(model.eval(), clips).item()
    lip_reading.train(model, clips, clips, (2, 2), seed=0, learning_rate=0.02)
    assert lip_reading.loss_of(model.eval(), clips).item() < 0.6 * before
    assert "epoch 4: loss" in capsys.readouterr().out


def test_the_table_has_all_decoders_and_what_to_compare_them_with(examples):
    model, clips = examples
    rows = lip_reading.table(clips, model, MODEL)
    assert [*rows] == ["greedy", "beam", "words", "+ bigram", "grammar", "shuffled frames", "chance"]
    assert all(0 <= values["exact"] <= 100 and values["wer"] >= 0 for values in rows.values())
    assert 30 < rows["chance"]["wer"] <= 100
    for row in ("words", "grammar"):
        assert rows[row]["wer"] <= 100 * (1 + len(GRID_WORDS))
