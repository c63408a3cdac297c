"""Single pictures of a camera, as a network takes them: the bytes of a JPEG → uint8 (H, W, 3), in a child process.

The decoder is that of videos, and so are its guards. Nothing is written to a file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from cluster.engines.base import Resources, Worker
from cluster.engines.task_guard import LimitExceededError, TaskGuard
from extractors.clips.crops import crop_corners, resized
from extractors.video.jpeg import decode_jpegs
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode


@dataclass(frozen=True)
class Picture:
    """The bytes of a JPEG."""

    content: bytes

    @property
    def key(self) -> str:
        """All are alike."""
        return "picture"


@dataclass(frozen=True)
class SeenPicture:
    """What a network takes, uint8 (H, W, 3); without it, why there is none."""

    image: NDArray[np.uint8] | None
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class PictureWorker(Worker[Picture, SeenPicture]):
    """Decodes pictures of at most `max_pixels`, resizes and crops them."""

    clip_format: ClipFormat
    max_pixels: int
    memory_bytes: int
    time_seconds: float

    @property
    @override
    def resources(self) -> Resources:
        return Resources(time_limit_seconds=self.time_seconds, memory_limit_bytes=self.memory_bytes)

    @property
    @override
    def outcome_type(self) -> type[SeenPicture]:
        return SeenPicture

    @override
    def setup(self) -> None:
        """Nothing is to be loaded."""

    @override
    def __call__(self, task: Picture) -> SeenPicture:
        try:
            with TaskGuard(self.memory_bytes, self.time_seconds):
                return SeenPicture(self._decoded(task.content))
        except ValueError:
            return SeenPicture(None, FailureCode.NOT_MEDIA, f"a frame is a JPEG of at most {self.max_pixels:,} pixels")
        except (MemoryError, LimitExceededError):
            return SeenPicture(None, FailureCode.MEMORY_LIMIT, "the frame takes more memory or time than one may")

    def _decoded(self, content: bytes) -> NDArray[np.uint8]:
        form = self.clip_format
        (whole,) = decode_jpegs([content], max_pixels=self.max_pixels)
        image = resized(whole, form.resize)
        ((top, left),) = crop_corners(image, form.height, form.width)
        return np.ascontiguousarray(image[top : top + form.height, left : left + form.width])
