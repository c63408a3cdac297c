"""What is cut out of a video, and the errors of cutting."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from schemas.outcomes import FailureCode, Stage, VideoError

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})


class CutError(Exception):
    """A clip that cannot be cut; the message says why and what to do. Other clips of the video are not affected."""


def raise_unwritable(error: Exception) -> None:
    """Raise `VideoError` for an error in writing which is the disk's: the same clip can be cut once that has room."""
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        remedy = "free space in the temporary folder, or set TMPDIR to another one"
        message = f"its clips cannot be written: {error.strerror}: {remedy}"
        raise VideoError(FailureCode.STORAGE, message, Stage.WRITE) from error


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
