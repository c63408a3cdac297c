"""What an export claims, against the video; and annotations against one another.

In: the entries of a video in the export, its `FrameList`, its clips; or all labels. Out: `Finding`s, which change
nothing: clips that overlap or nest are kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from extractors.cutting.frame_list import FrameList
from schemas.annotations import AnnotatedVideo, FrameRange
from schemas.cuttings import Finding, FindingCode
from schemas.errors import EXAMPLES
from schemas.text import counted

RATE_TOLERANCE = 0.0005  # between 29.97 and 30 lies 0.001
MAX_LENGTH_DIFFERENCE_SECONDS = 1
MAX_PAIRS = 10_000  # of clips that overlap, counted in a video


@dataclass(frozen=True)
class Extended:
    """A clip as far as it can overlap others: frames, and what it is called in messages."""

    first: int
    stop: int
    name: str


def claims(video: str, entries: Sequence[AnnotatedVideo], frames: FrameList) -> Iterator[Finding]:
    """What the export says of the video that is not so."""
    rates = {rate for entry in entries if (rate := entry.rate) is not None}
    rates |= {
        extent.rate
        for entry in entries
        for annotation in entry.annotations
        if isinstance(extent := annotation.extent, FrameRange) and extent.rate is not None
    }
    for rate in sorted(rates):
        if abs(rate / frames.rate - 1) > RATE_TOLERANCE:
            message = f"the export counts {float(rate):.6g} frames a second, the video has {float(frames.rate):.6g}"
            yield Finding(code=FindingCode.OTHER_RATE, video=video, message=message)
    for entry in entries:
        if entry.frame_count is not None and entry.frame_count != len(frames):
            message = f"the export counts {entry.frame_count:,} frames, the video has {len(frames):,}"
            yield Finding(code=FindingCode.OTHER_LENGTH, video=video, message=message)
        length = entry.duration_seconds
        if length is not None and abs(length - frames.duration_seconds) > MAX_LENGTH_DIFFERENCE_SECONDS:
            actual = float(frames.duration_seconds)
            message = f"the export says that it lasts {float(length):.2f} s; it lasts {actual:.2f} s"
            yield Finding(code=FindingCode.OTHER_LENGTH, video=video, message=message)
    if frames.gaps:
        message = (
            f"it is damaged in {counted(frames.gaps, 'place')}: frame numbers behind one are too low by "
            "as many as are lost"
        )
        yield Finding(code=FindingCode.DAMAGED, video=video, message=message)


def is_variable(frames: FrameList) -> bool:
    """Whether the distances between frames differ by more than their rounding."""
    distances = [following - pts for pts, following in pairwise(frames.timestamps)]
    return bool(distances) and (max(distances) - min(distances)) * frames.tick > max(
        2 * frames.tick, 1 / (4 * frames.rate)
    )


def meetings(video: str, clips: Iterable[Extended]) -> Iterator[Finding]:
    """How many clips overlap, and how many lie within others, with examples."""
    found: dict[FindingCode, list[str]] = {FindingCode.OVERLAP: [], FindingCode.NESTING: []}
    active: list[Extended] = []
    pairs = 0
    for clip in sorted(clips, key=lambda each: (each.first, -each.stop)):
        active = [other for other in active if other.stop > clip.first]
        for other in active if pairs < MAX_PAIRS else ():
            code = FindingCode.NESTING if clip.stop <= other.stop else FindingCode.OVERLAP
            found[code].append(f"{clip.name} and {other.name}")
            pairs += 1
        active.append(clip)
    verbs = {FindingCode.OVERLAP: "overlap", FindingCode.NESTING: "lie within one another"}
    for code, names in found.items():
        if names:
            more = ", …" if len(names) > EXAMPLES else ""
            least = "at least " if pairs >= MAX_PAIRS else ""
            count = f"{least}{len(names):,} pairs of clips" if len(names) > 1 else "two clips"
            yield Finding(code=code, video=video, message=f"{count} {verbs[code]}: {'; '.join(names[:EXAMPLES])}{more}")


def spellings(labels: Iterable[str]) -> dict[str, str]:
    """Labels that differ from a more frequent one by case or blanks alone, each with that one."""
    counts = Counter(labels)
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts, key=lambda name: (-counts[name], name)):
        alike["".join(label.split()).casefold()].append(label)
    return {other: first for first, *others in alike.values() for other in others}
