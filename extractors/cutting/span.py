"""What is cut out of a video, and the errors of cutting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


class CutError(Exception):
    """A clip that cannot be cut; the message says why and what to do. Other clips of the video are not affected."""


@dataclass(frozen=True)
class Span:
    """The part of a video from `start_pts` to `end_pts` (exclusive), in ticks, which goes into a file at `path`.

    timestamps  of its frames, in ticks
    """

    start_pts: int
    end_pts: int
    timestamps: Sequence[int]
    path: Path


@dataclass(frozen=True)
class CutFile:
    """A file that was cut.

    path            where it is: the span's, with the suffix of its container
    before_seconds  what it shows before the span, from the key frame on
    after_seconds   likewise after it
    notes           what differs from the source, for a person
    """

    path: Path
    before_seconds: Fraction = Fraction(0)
    after_seconds: Fraction = Fraction(0)
    notes: tuple[str, ...] = ()
