import numpy as np
import pytest

from benchmarks.generated_speech import (
    FRAMES,
    MARGIN,
    PRONUNCIATIONS,
    RATE,
    SHAPE,
    SOUNDS,
    VISEMES,
    lookalikes,
    mouth_shapes,
    random_sentence,
    speak,
    unavoidable_word_error_rate,
    visemes_of,
)
from classifiers.text.grid import GRID_WORDS

OPENING, WIDTH, TUCK = (SHAPE.index(name) for name in ("opening", "width", "tuck"))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_every_word_of_the_corpus_has_visemes():
    words = {word for words in GRID_WORDS for word in words.values()}
    assert {*PRONUNCIATIONS} == words
    assert {viseme for visemes in SOUNDS.values() for viseme in visemes} <= {*VISEMES}
    assert visemes_of("five") == ("F", "AA", "IY", "F")


def test_words_that_look_alike_limit_every_reader():
    assert lookalikes() == [("b", "p"), ("d", "t")]
    assert unavoidable_word_error_rate() == pytest.approx(4 * 0.5 / 25 / 6)
    assert np.array_equal(
        mouth_shapes(speak(rng(), "bin red at b two now")), mouth_shapes(speak(rng(), "bin red at p two now"))
    )


def test_speech_covers_the_clip_and_words_follow_each_other():
    for seed in range(20):
        speech = speak(rng(seed), random_sentence(rng(seed)), pace=1.5)
        assert speech.spans[0].start == 0
        assert speech.spans[-1].end == FRAMES
        assert all(a.end == b.start and a.start < a.end for a, b in zip(speech.spans, speech.spans[1:], strict=False))
        assert " ".join(word.word for word in speech.words) == speech.text
        times = [time * RATE for word in speech.words for time in (word.start_seconds, word.end_seconds)]
        assert times == sorted(times)
        assert times[0] >= MARGIN - 0.1
        assert times[-1] <= FRAMES - MARGIN + 0.1
    assert speak(rng(1), "bin red at b two now") == speak(rng(1), "bin red at b two now")


def test_mouths_do_what_sounds_need():
    speech = speak(rng(3), "place white by f five please")
    shapes = mouth_shapes(speech)
    assert shapes.shape == (FRAMES, len(SHAPE))
    middles = {
        name: [shapes[int((span.start + span.end) / 2)] for span in speech.spans if span.viseme == name]
        for name in ("P", "F", "AA", "W")
    }
    assert max(shape[OPENING] for shape in middles["P"]) < 0.1 < 0.3 < min(shape[OPENING] for shape in middles["AA"])
    assert min(shape[TUCK] for shape in middles["F"]) > 0.5
    assert max(shape[WIDTH] for shape in middles["W"]) < 0.85


def test_neighbours_blend():
    """The same sound looks different between others, and no mouth jumps."""
    blue, bin_ = (mouth_shapes(speak(rng(), f"{word} red at b two now")) for word in ("set", "bin"))
    assert not np.allclose(blue, bin_)
    assert abs(np.diff(blue[:, WIDTH])).max() < 0.25
