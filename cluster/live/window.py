"""What the network looks at: each frame alone, or a clip of the latest T frames every `stride_seconds`.

In: the frames of a live view in order. Out: `Look`s. A point of the grid without a frame shows the frame before it
again in clips, and is left out where frames are looked at one by one. Memory holds the T frames, and those of clips
that others still have.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.live.frames import LiveFrame


@dataclass(frozen=True, slots=True)
class Look:
    """What the network is to look at.

    frames   (T,) or (1,) frames, each uint8 (H, W, 3)
    seconds  of the latest one in the view
    due      when that was due, a time of `time.monotonic`
    passage  the number of the connection or, of a file in a loop, of the turn: a network with a state starts anew
    """

    frames: tuple[NDArray[np.uint8], ...]
    seconds: float
    due: float
    passage: int


class Window:
    """The latest frames of one passage: a clip has `frames` of them; 1 for networks that look at each."""

    def __init__(self, frames: int, stride_seconds: float, passage: int) -> None:
        self._passage, self._stride_seconds = passage, stride_seconds
        self._latest: deque[LiveFrame] = deque(maxlen=frames)
        self._next_seconds: float | None = None  # of the next clip

    @property
    def lacking(self) -> int:
        """Frames until the first clip."""
        size = self._latest.maxlen or 1
        return size - len(self._latest)

    def add(self, frame: LiveFrame) -> Look | None:
        """The look that is due with this frame, if one is."""
        if self._latest:
            missing = min(frame.undecoded + frame.lost, self._latest.maxlen or 1)
            self._latest.extend([self._latest[-1]] * missing)
        self._latest.append(frame)
        if self.lacking:
            return None
        if self._latest.maxlen == 1:
            return self._look([*self._latest])
        if self._next_seconds is None:
            self._next_seconds = frame.seconds
        if frame.seconds < self._next_seconds:
            return None
        # From the grid of strides, whatever was missed.
        self._next_seconds += self._stride_seconds * (1 + (frame.seconds - self._next_seconds) // self._stride_seconds)
        return self._look([*self._latest])

    def rest(self) -> Look | None:
        """The look at a video that ends before its first clip is full: it is shown over and over, as in training."""
        if not self._latest or not self.lacking:
            return None
        frames = [*self._latest]
        return self._look([frames[number % len(frames)] for number in range(self._latest.maxlen or 1)])

    def _look(self, frames: list[LiveFrame]) -> Look:
        latest = self._latest[-1]
        return Look(tuple(frame.image for frame in frames), latest.seconds, latest.due, self._passage)
