"""Streams mouths of videos in batches, with the texts that they say.

In: videos, a mask of those to use (rows), and their texts as outputs of an alphabet. Out: `LipBatch`es.

    crops, uint8 (T, H, W, 3) ─ in training: a word of them, changes ─► lip_preprocess ─► padded batch

What is random about an example depends on the seed, the epoch and the video. In training, an example may be a single
word of the sentence (the curriculum): its frames, with its text; words whose frames are too few for their characters
are not taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.data.batches import BatchOrder
from classifiers.data.class_choice import LabelLists
from classifiers.data.lip_augmentation import augmented
from classifiers.data.lip_batch import LipBatch, lip_batch
from classifiers.data.lip_frames import lip_preprocess
from classifiers.text.alphabet import Alphabet
from classifiers.training.loop import epoch_seed
from cluster.clips.cache import mouth_form
from cluster.clips.decoder_pool import MOUTHS
from cluster.clips.mouth_decoder import MouthTask
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.training.clip_source import ClipSource
from cluster.training.lip_options import LipSettings
from schemas.numerals import number_of
from schemas.outcomes import FailureCode, VideoError
from schemas.spoken_words import SpokenWord
from schemas.videos import Video

Crops = NDArray[np.uint8]
LATE_FRAMES = 1  # by which times of words may exceed a video: they are rounded


@dataclass(frozen=True, kw_only=True)
class MouthReading:
    """How mouths are decoded, and which of them can be trained on."""

    settings: LipSettings
    alphabet: Alphabet
    memory_bytes: int
    time_seconds: float
    policy: ReadPolicy = STRICT

    decoder: ClassVar[str] = MOUTHS
    needs_check: ClassVar[bool] = True

    @property
    def form(self) -> Mapping[str, Any]:
        """The form of the crops, and which face counts."""
        return mouth_form(self.settings.look, self.settings.face)

    @property
    def fps(self) -> str:
        """Frames a second."""
        return self.settings.look.fps

    def task(self, video: Video, seed: int, *, is_deterministic: bool) -> MouthTask:
        """The decoder's task for the mouth in `video`; nothing about it is random."""
        return MouthTask(
            video=video,
            look=self.settings.look,
            memory_bytes=self.memory_bytes,
            time_seconds=self.time_seconds,
            face=self.settings.face,
            policy=self.policy,
        )

    def problem(self, video: Video, clip: Crops) -> VideoError | None:
        """Why a clip cannot be trained on: too few frames for its text, or words beyond its end."""
        needed = least_frames(self.alphabet.encode(video.text))
        if len(clip) < needed:
            return VideoError(
                FailureCode.TRUNCATED,
                f"it has {len(clip)} frames at {self.fps} a second, but its text of {len(video.text)} characters needs "
                f"{needed} or more: provide the whole video, or correct its text",
            )
        if not self.settings.curriculum:
            return None
        end = max((word.end_seconds for word in video.words), default=0) - video.start_seconds
        length = len(clip) / Fraction(number_of(self.fps))
        if end > length + LATE_FRAMES / Fraction(number_of(self.fps)):
            return VideoError(
                FailureCode.TRUNCATED,
                f"its last word ends at {float(end):g} s, but it lasts {float(length):g} s: provide the whole video, "
                "or correct the column words of the manifest",
            )
        return None


class LipSource(ClipSource):
    """Batches of `rows`, a mask over `videos`, for one worker; in shuffled epochs, with everything random."""

    def __init__(
        self,
        videos: Sequence[Video],
        rows: NDArray[np.bool_],
        texts: LabelLists,
        *,
        reading: MouthReading,
        order: BatchOrder,
        **options: Any,
    ) -> None:
        """`texts` of all videos, as outputs of the alphabet; `options` are those of `ClipSource`."""
        super().__init__(videos, rows, None, reading=reading, order=order, **options)
        self._texts, self._settings, self._alphabet = texts, reading.settings, reading.alphabet

    @override
    def batch(self, clips: Sequence[Crops], rows: NDArray[np.intp], epoch: int) -> LipBatch:
        examples = [self._example(clip, int(row), epoch) for clip, row in zip(clips, rows, strict=True)]
        look = self._settings.look
        prepared = [lip_preprocess(crops, look) for crops, _ in examples]
        return lip_batch(prepared, [text for _, text in examples], self.ids(rows))

    def _example(self, crops: Crops, row: int, epoch: int) -> tuple[Crops, tuple[int, ...]]:
        """What is shown of a video, and the text of it."""
        first, stop = self._texts.offsets[row : row + 2]
        text = tuple(self._texts.values[first:stop].tolist())
        if not self._order.shuffle:
            return crops, text
        rng = np.random.default_rng(epoch_seed(self._order.seed, epoch, row))
        if rng.random() < self._settings.word_share(epoch):
            words = [found for word in self._videos[row].words if (found := self._word(crops, row, word))]
            if words:
                crops, text = words[rng.integers(len(words))]
        return augmented(crops, self._settings.augmentation, rng, least_frames=least_frames(text)), text

    def _word(self, crops: Crops, row: int, word: SpokenWord) -> tuple[Crops, tuple[int, ...]] | None:
        """The frames of a word, and its text; None where they are too few for its characters."""
        fps, start = Fraction(number_of(self._settings.look.fps)), self._videos[row].start_seconds
        first, stop = floor((word.start_seconds - start) * fps), ceil((word.end_seconds - start) * fps)
        part, text = crops[max(first, 0) : stop], self._alphabet.encode(word.word)
        return (part, text) if len(part) >= least_frames(text) and part.min() < part.max() else None


def least_frames(text: Sequence[int]) -> int:
    """The fewest frames that CTC needs for a text: one for each character, and one between equal neighbours."""
    repeats = sum(one == other for one, other in pairwise(text))
    return max(len(text) + repeats, 1)
