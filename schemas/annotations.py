"""What annotation exports hold, whatever tool wrote them: videos, and in each what happens from when to when.

Readers (`cluster.annotations`) make these rows as the export has them, odd ones included: intervals without length,
that end before they start, or lie beyond the video's end. Frames become seconds only beside the video itself, whose
timestamps alone are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True)
class FrameRange:
    """Frames `first` to `last`, both included, counted from 0 in the order of presentation.

    rate  frames per second, where the numbers count a nominal rate: the range is then the seconds from first / rate to
          (last + 1) / rate. None where they number the video's own frames
    """

    first: int
    last: int
    rate: Fraction | None = None


@dataclass(frozen=True)
class TimeRange:
    """Seconds on the medium's own clock, half open; a still moment has its start as its end."""

    start_seconds: Fraction
    end_seconds: Fraction


Extent: TypeAlias = FrameRange | TimeRange | None  # None: the whole video


@dataclass(frozen=True)
class Annotation:
    """One label and where in its video it holds.

    label       class as exported, without the blanks at its ends
    source      where it stands in the export, for messages: `ann/a.mp4.json, tag 3`
    group       person, subject or recording, which splits must not divide
    attributes  what else the export says of it, as names and values
    """

    label: str
    extent: Extent
    source: str
    group: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class AnnotatedVideo:
    """A video of an export.

    name              name or path as in the export, by which the video itself is found
    frame_count, rate, duration_seconds
                      as the export claims, which need not be true of the file
    """

    name: str
    annotations: tuple[Annotation, ...]
    frame_count: int | None = None
    rate: Fraction | None = None
    duration_seconds: Fraction | None = None
    split: str = ""
    group: str = ""


@dataclass(frozen=True)
class AnnotationSet:
    """An export.

    classes  in the export's own order, where it has one
    notes    what was left out and why, for a person
    """

    videos: tuple[AnnotatedVideo, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
