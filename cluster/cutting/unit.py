"""The unit of cutting: one video with the clips that its annotations ask for.

Annotations of the same extent and group are one clip with several labels; one without a label, or with a label that is
there already, is a finding. A clip's id is the video's with the number of its first annotation, in the order of the
export, refused ones included: `walks/anna#0003`.

Files of clips depend on the video and on extents alone, so that other labels, splits or groups change rows and leave
the files as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from schemas.annotations import AnnotatedVideo, Annotation, Extent
from schemas.cuttings import Finding, FindingCode
from schemas.videos import Video

VERSION = "2"  # raised whenever the same unit would give other clips
DUPLICATE = "another annotation has the same frames and label"


@dataclass(frozen=True)
class WantedClip:
    """A clip before its frames are known.

    labels   names, in the order of the annotations; several for one extent
    sources  where its annotations stand in the export
    split    as the export or the manifest of videos names it, until the plan assigns splits
    """

    id: str
    labels: tuple[str, ...]
    extent: Extent
    group: str
    sources: tuple[str, ...]
    split: str = ""


@dataclass(frozen=True)
class CuttingUnit:
    """One video: its entries in the export, the clips that are wanted of it, and its annotations that give none."""

    video: Video
    entries: tuple[AnnotatedVideo, ...]
    clips: tuple[WantedClip, ...]
    findings: tuple[Finding, ...] = ()

    def cut_hash(self, settings: Mapping[str, Any]) -> str:
        """Changes with anything that the files of its clips depend on, `settings` of the run among them."""
        claims = [(entry.frame_count, entry.rate, entry.duration_seconds) for entry in self.entries]
        clips = [(clip.id, clip.extent and asdict(clip.extent)) for clip in self.clips]
        video = self.video
        return hashed([VERSION, video.id, video.uri, video.version, claims, clips, dict(settings)])

    def record_hash(self, settings: Mapping[str, Any]) -> str:
        """Changes with anything that its records depend on: labels and splits as well."""
        clips = [(clip.labels, clip.split, clip.group) for clip in self.clips]
        return hashed([self.cut_hash(settings), clips])


def hashed(described: object) -> str:
    """The SHA-256 of values that JSON holds, and fractions."""
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=_text).encode()).hexdigest()


def cutting_unit(video: Video, entries: Sequence[AnnotatedVideo], spellings: Mapping[str, str]) -> CuttingUnit:
    """The unit of a video; `spellings` gives labels the one that stands for them."""
    stated = {entry.split for entry in entries if entry.split}
    of_video = next(iter(stated)) if len(stated) == 1 else video.split
    wanted: dict[tuple[Extent, str], WantedClip] = {}
    findings: list[Finding] = []
    number = 0
    for entry in entries:
        for annotation in entry.annotations:
            label = spellings.get(annotation.label, annotation.label)
            group = annotation.group or entry.group or video.group or video.id
            found = wanted.get((annotation.extent, group))
            if not label:
                findings.append(_refused(FindingCode.NO_LABEL, video, annotation, "", "it names no class"))
            elif found is None:
                name, split = f"{video.id}#{number:04}", entry.split or of_video
                clip = WantedClip(name, (label,), annotation.extent, group, (annotation.source,), split)
                wanted[annotation.extent, group] = clip
            elif label in found.labels:
                findings.append(_refused(FindingCode.DUPLICATE, video, annotation, label, DUPLICATE))
            else:
                labels, sources = (*found.labels, label), (*found.sources, annotation.source)
                wanted[annotation.extent, group] = replace(found, labels=labels, sources=sources)
            number += 1
    return CuttingUnit(video, tuple(entries), tuple(wanted.values()), tuple(findings))


def _refused(code: FindingCode, video: Video, annotation: Annotation, label: str, message: str) -> Finding:
    return Finding(code=code, video=video.id, label=label, source=annotation.source, message=message)


def _text(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{value!r} has no text")
