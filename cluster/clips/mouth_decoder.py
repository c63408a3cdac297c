"""Decoding the mouth of one speaker, in this process or in a child of a pool (`python -m cluster.clips.mouth_decoder`).

In: a `MouthTask`. Out: uint8 (T, H, W, 3), crops of the mouth in all frames of the video, or a `VideoError`: of code
`no_face` where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cluster.clips.guarded_decode import Outcome, encoded, guarded_decode, outcome_of, response_of
from cluster.engines.guarded_processes import Response, serve
from cluster.storage.read_policy import STRICT, ReadPolicy
from extractors.clips.whole import MAX_FRAMES, decode_whole
from extractors.faces.crops import Mouth, mouth_of
from extractors.faces.mouths import MouthFinder, build_mouth_finder
from extractors.video.media import Source
from schemas import strict_json
from schemas.lips import FIXED, LipInput
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video


@dataclass(frozen=True, slots=True, kw_only=True)
class MouthTask:
    """The mouth in a video, or in the part of it that the manifest names.

    look    how the mouth is cropped, in which size and at which rate
    face    the face that counts, the 1st, 2nd … from the left; None: the largest
    policy  how far reading the video goes
    """

    video: Video
    look: LipInput
    memory_bytes: int
    time_seconds: float
    face: int | None = None
    policy: ReadPolicy = STRICT

    fallback: ClassVar[None] = None  # nothing about it is random

    @property
    def size_bytes(self) -> int:
        """Size of the crops of the longest video."""
        return MAX_FRAMES * self.look.height * self.look.width * 3

    def again(self) -> Self:
        """The next attempt."""
        return self

    def encoded(self) -> bytes:
        """The request to a child."""
        return encoded(self)

    def outcome_of(self, response: Response) -> Outcome:
        """The outcome that a child has answered with."""
        return outcome_of(response, (-1, self.look.height, self.look.width, 3))


def decode(task: MouthTask) -> NDArray[np.uint8]:
    """The crops, (T, H, W, 3). Raises `VideoError` for any problem with the video."""
    return guarded_decode(lambda source: decode_mouth(source, task).crops, task)


def decode_mouth(source: Source, task: MouthTask) -> Mouth:
    """The mouth in a video. Raises `VideoError` where there is none, or no video."""
    look, video = task.look, task.video
    frames = decode_whole(source, look.fps, start_seconds=video.start_seconds, end_seconds=video.end_seconds)
    mouth = mouth_of(frames, None if look.crop == FIXED else finder().track(frames, face=task.face), look)
    if mouth.is_blank:
        raise VideoError(
            FailureCode.NO_FACE, f"where the mouth should be, all pixels of its {len(frames)} frames are equal"
        )
    return mouth


def answer(request: bytes) -> Response:
    """Decode a task that a pool has sent, and encode its outcome for `MouthTask.outcome_of`."""
    return response_of(lambda: decode(strict_json.load(MouthTask, request.decode(), "mouth task", schema_version=1)))


@cache
def finder() -> MouthFinder:
    """The networks that find faces, of this process."""
    return build_mouth_finder()


if __name__ == "__main__":
    finder()  # its networks are no task's memory
    serve(answer)
