"""The labels of clips: what a stage has cut, and what the annotations say of it now → rows.

In: `CutVideo` as the stage made it, whose clips have an id and frames alone. Out: the same with labels, splits and
groups. Clips of the same frames and group are one row with the labels of all; a label that is there already is a
finding, as are rows that overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cluster.cutting.unit import DUPLICATE, CuttingUnit, WantedClip
from cluster.cutting.validation import Extended, meetings
from schemas.cuttings import CutClip, CutVideo, Finding, FindingCode
from schemas.videos import MICROSECONDS


def labelled(unit: CuttingUnit, cut: CutVideo) -> CutVideo:
    """The rows of a video, and all findings about it."""
    wanted = {clip.id: clip for clip in unit.clips}
    findings = [_told(finding, wanted[finding.clip]) if finding.clip else finding for finding in cut.findings]
    findings += unit.findings
    rows: dict[tuple[int, int, str], CutClip] = {}
    for clip in cut.clips:
        one = wanted[clip.id]
        key = (clip.start_microseconds, clip.end_microseconds, one.group)
        if key not in rows:
            rows[key] = replace(clip, labels=one.labels, split=one.split, group=one.group)
            continue
        known = rows[key].labels
        repeated = tuple(label for label in one.labels if label in known)
        if repeated:
            duplicate = Finding(code=FindingCode.DUPLICATE, video=unit.video.id, clip=clip.id, message=DUPLICATE)
            findings.append(_told(duplicate, replace(one, labels=repeated)))
        rows[key] = replace(rows[key], labels=(*known, *(label for label in one.labels if label not in known)))
    clips = tuple(rows.values())
    findings += meetings(unit.video.id, _extended(clips))
    return replace(cut, clips=clips, findings=tuple(findings))


def named(classes: Sequence[str], cut: CutVideo) -> CutVideo:
    """The clips of records with the names of those labels that are indices of `classes`."""
    names = {str(index): name for index, name in enumerate(classes)}
    clips = (replace(clip, labels=tuple(names.get(label, label) for label in clip.labels)) for clip in cut.clips)
    return replace(cut, clips=tuple(clips))


def _told(finding: Finding, wanted: WantedClip) -> Finding:
    return replace(finding, label="; ".join(wanted.labels), source="; ".join(wanted.sources))


def _extended(clips: Sequence[CutClip]) -> Iterator[Extended]:
    for clip in clips:
        start, end = clip.start_microseconds, clip.end_microseconds
        times = f"({start / MICROSECONDS:.2f} to {end / MICROSECONDS:.2f} s)"
        yield Extended(start, end, f"{'; '.join(clip.labels)} {times}")
