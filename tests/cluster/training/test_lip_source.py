"""Examples of mouths: whole sentences in order, words and changes in training."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.class_choice import LabelLists
from classifiers.data.lip_augmentation import LipAugmentationConfig
from classifiers.text.alphabet import LIPNET_ALPHABET
from cluster.training.lip_options import LipSettings
from cluster.training.lip_source import LipSource, MouthReading, least_frames
from schemas.lips import UNIT, LipInput
from schemas.outcomes import FailureCode
from schemas.spoken_words import SpokenWord
from schemas.videos import Video

LOOK = LipInput(height=4, width=6, channels=1, normalisation=UNIT)
WORDS = (SpokenWord("bin", 0, Fraction(1, 5)), SpokenWord("a", Fraction(6, 25), Fraction(2, 5)))
VIDEO = Video("a", "a.mp4", text="bin a", words=WORDS)


def reading(**settings: object) -> MouthReading:
    defaults = {"look": LOOK, "face": None, "augmentation": LipAugmentationConfig()}
    chosen = {**defaults, "curriculum": 0.0, "curriculum_decay": 0.5, **settings}
    return MouthReading(
        settings=LipSettings(**chosen),  # type: ignore[arg-type]
        alphabet=LIPNET_ALPHABET,
        memory_bytes=1 << 30,
        time_seconds=9.0,
    )


def clip(frames: int = 10) -> NDArray[np.uint8]:
    """Frame number n has the level n, with one pixel of noise."""
    crops = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, 4, 6, 3)).copy()
    crops[:, 0, 0] = 200
    return crops


def source(*, shuffle: bool = True, **settings: object) -> LipSource:
    encoded = LIPNET_ALPHABET.encode(VIDEO.text)
    texts = LabelLists(np.array([0, len(encoded)]), np.array(encoded))
    return LipSource(
        [VIDEO],
        np.ones(1, bool),
        texts,
        reading=reading(**settings),
        order=BatchOrder(batch_size=1, shuffle=shuffle, seed=3, with_ids=True),
        worker=Worker(),
        decoders=None,  # type: ignore[arg-type]
    )


def texts_of(found: LipSource, epochs: int = 60) -> list[str]:
    rows = np.zeros(1, np.intp)
    batches = [found.batch([clip()], rows, epoch) for epoch in range(epochs)]
    return [LIPNET_ALPHABET.decode(batch.texts()[0]) for batch in batches]


def test_in_order_an_example_is_the_whole_sentence() -> None:
    found = source(shuffle=False, curriculum=1.0, augmentation=LipAugmentationConfig(flip=1.0))
    batch = found.batch([clip()], np.zeros(1, np.intp), 0)
    assert (batch.clips.shape, batch.ids) == ((1, 10, 4, 6, 1), ("a",))
    assert (batch.clips[0, :, 1, 1, 0] * 255).round().tolist() == list(range(10))
    assert LIPNET_ALPHABET.decode(batch.texts()[0]) == "bin a"


def test_words_come_first_and_sentences_later() -> None:
    first = [texts_of(source(curriculum=1.0, curriculum_decay=1.0))]
    assert set(first[0]) == {"bin", "a"}
    later = texts_of(source(curriculum=1.0, curriculum_decay=0.5))
    assert later[0] in ("bin", "a")
    assert set(later[15:]) == {"bin a"}
    assert set(texts_of(source())) == {"bin a"}


def test_a_word_is_shown_with_its_frames() -> None:
    found = source(curriculum=1.0, curriculum_decay=1.0)
    shown = {}
    for epoch in range(20):
        batch = found.batch([clip()], np.zeros(1, np.intp), epoch)
        shown[LIPNET_ALPHABET.decode(batch.texts()[0])] = (batch.clips[0, :, 1, 1, 0] * 255).round().tolist()
    assert shown == {"bin": [0, 1, 2, 3, 4], "a": [6, 7, 8, 9]}


def test_random_examples_repeat_with_their_epoch() -> None:
    noisy = source(augmentation=LipAugmentationConfig(shift=2, drop=0.2, repeat=0.2))
    rows = np.zeros(1, np.intp)
    first, again, other = (noisy.batch([clip()], rows, epoch) for epoch in (1, 1, 2))
    assert first.clips.shape == again.clips.shape
    assert bool((first.clips == again.clips).all())
    assert first.clips.shape != other.clips.shape or bool((first.clips != other.clips).any())


@pytest.mark.parametrize(("text", "frames"), [("bin", 3), ("aa", 3), ("see", 4), ("", 1)])
def test_ctc_needs_a_frame_for_each_character_and_one_between_equals(text: str, frames: int) -> None:
    assert least_frames(LIPNET_ALPHABET.encode(text)) == frames


def test_clips_that_cannot_be_trained_on() -> None:
    assert reading().problem(VIDEO, clip()) is None
    short = reading().problem(VIDEO, clip(4))
    assert short is not None
    assert (short.code, "4 frames at 25 a second, but its text of 5 characters needs 5" in short.message) == (
        FailureCode.TRUNCATED,
        True,
    )
    late = replace(VIDEO, words=(*WORDS[:1], SpokenWord("a", Fraction(2, 5), Fraction(3, 5))))
    assert reading().problem(late, clip()) is None
    found = reading(curriculum=1.0).problem(late, clip())
    assert found is not None
    assert "its last word ends at 0.6 s, but it lasts 0.4 s" in found.message
    moved = replace(late, start_seconds=Fraction(1, 5))
    assert reading(curriculum=1.0).problem(moved, clip()) is None


def test_a_task_asks_for_the_crops_of_the_model() -> None:
    task = reading(face=2).task(VIDEO, 7, is_deterministic=False)
    assert (task.video, task.look, task.face, task.time_seconds) == (VIDEO, LOOK, 2, 9.0)
    assert reading(face=2).form["face"] == 2
