"""Frames as they come → crops of the mouth in windows of them, as `cluster.clips.mouth_decoder` gives those of a clip.

In: `Sample`s of a video at the rate of the lip reader. Out: the `Mouth` of each window, or None where it shows
no face. The face is followed from frame to frame through all of the video; where the mouth is, is measured over the
window. Of a hole of up to half a second, the frame before it is shown, as players do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import tee

import numpy as np
from numpy.typing import NDArray

from cluster.transcription.windows import Window, windows
from extractors.clips.whole import reduced
from extractors.faces.crops import Mouth, mouth_of
from extractors.faces.mouths import MouthFinder, build_mouth_finder, no_face_error, track_of
from extractors.faces.regions import Points
from extractors.video.grid import as_fps
from extractors.video.samples import Sample
from schemas.lips import FIXED, LipInput
from schemas.outcomes import FailureCode, VideoError

HOLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame (H, W, 3), and the points of the face in it, where there is one; `is_shown_again` stands in for another.

    Of a fixed crop no face is looked for.
    """

    image: NDArray[np.uint8]
    points: Points | None = None
    is_shown_again: bool = False


@dataclass(frozen=True, kw_only=True)
class MouthWindows:
    """How mouths are taken out of a video.

    look           how the mouth is cropped, in which size and at which rate
    face           the face that counts, the 1st, 2nd … from the left; None: the largest
    size, overlap  of windows, in frames
    """

    look: LipInput
    face: int | None
    size: int
    overlap: int

    def setup(self) -> None:
        """Load the networks that find faces, once per process."""
        if self.look.crop != FIXED:
            finder()

    def windows(self, samples: Iterable[Sample]) -> Iterator[Window[Frame]]:
        """The windows of a video; they hold its frames, reduced, and no more of them than a window."""
        return windows(self._frames(samples), self.size, self.overlap, go_together=_are_of_one_size)

    def mouth(self, window: Window[Frame]) -> Mouth | None:
        """The mouth in a window; None where there is none.

        Raises:
            VideoError: for frames that have no fixed place of a mouth.
        """
        track = None
        if self.look.crop != FIXED:
            track = track_of([frame.points for frame in window.items])
            if track is None:
                return None
        mouth = mouth_of(np.stack([frame.image for frame in window.items]), track, self.look)
        return None if mouth.is_blank else mouth

    def error(self, image: NDArray[np.uint8], count: int) -> VideoError:
        """The error for a video without a mouth in any window of its `count` frames, which look like `image`."""
        if self.look.crop != FIXED:
            return no_face_error(image, count, self.face)
        message = f"where the mouth should be, all pixels of its {count} frames are equal"
        return VideoError(FailureCode.NO_FACE, message)

    def _frames(self, samples: Iterable[Sample]) -> Iterator[tuple[int, Frame]]:
        images = ((sample.index, reduced(sample.image)) for sample in samples)
        most = int(as_fps(self.look.fps) * HOLE_SECONDS)
        last: tuple[int, Frame] | None = None
        for index, frame in self._with_points(images):
            if last is not None and 0 < index - last[0] - 1 <= most:
                again = Frame(last[1].image, last[1].points, is_shown_again=True)
                yield from ((missing, again) for missing in range(last[0] + 1, index))
            last = index, frame
            yield index, frame

    def _with_points(self, images: Iterable[tuple[int, NDArray[np.uint8]]]) -> Iterator[tuple[int, Frame]]:
        if self.look.crop == FIXED:
            yield from ((index, Frame(image)) for index, image in images)
            return
        numbered, again = tee(images)  # one frame apart
        found = finder().points((image for _, image in again), face=self.face)
        yield from ((index, Frame(image, points)) for (index, image), points in zip(numbered, found, strict=True))


@cache
def finder() -> MouthFinder:
    """The networks that find faces, of this process."""
    return build_mouth_finder()


def _are_of_one_size(one: Frame, other: Frame) -> bool:
    return one.image.shape == other.image.shape
