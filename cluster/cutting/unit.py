"""The unit of cutting: one video with the clips that its annotations ask for.

Annotations of the same extent and group are one clip with several labels. A clip's id is the video's with the number of
its first annotation, in the order of the export, refused ones included: `walks/anna#0003`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from schemas.annotations import AnnotatedVideo, Annotation, Extent
from schemas.videos import Video

VERSION = "1"  # raised whenever the same unit would give other clips


@dataclass(frozen=True)
class WantedClip:
    """A clip before its frames are known.

    labels   names, in the order of the annotations; several for one extent
    sources  where its annotations stand in the export
    split    as the export calls it, until splits are assigned
    """

    id: str
    labels: tuple[str, ...]
    extent: Extent
    group: str
    sources: tuple[str, ...]
    split: str = ""


@dataclass(frozen=True)
class CuttingUnit:
    """One video: its entries in the export, and the clips that are wanted of it."""

    video: Video
    entries: tuple[AnnotatedVideo, ...]
    clips: tuple[WantedClip, ...]

    def fingerprint(self, settings: Mapping[str, Any]) -> str:
        """Changes with anything that its clips depend on, `settings` of the run among them."""
        return hashed([VERSION, asdict(self), dict(settings)])


def hashed(described: object) -> str:
    """The SHA-256 of values that JSON holds, and fractions."""
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=_text).encode()).hexdigest()


def cutting_unit(video: Video, entries: Sequence[AnnotatedVideo], spellings: Mapping[str, str]) -> CuttingUnit:
    """The unit of a video; `spellings` gives labels the one that stands for them."""
    wanted: dict[tuple[Extent, str, str], WantedClip] = {}
    number = 0
    for entry in entries:
        for annotation in entry.annotations:
            label = spellings.get(annotation.label, annotation.label)
            group = annotation.group or entry.group or video.group or video.id
            key = annotation.extent, group, entry.split
            found = wanted.get(key)
            if found is None or label in found.labels or not label:
                added = key if found is None else (annotation.extent, f"{group}\0{number}", entry.split)
                wanted[added] = _clip(f"{video.id}#{number:04}", label, annotation, group, entry.split)
            else:
                labels, sources = (*found.labels, label), (*found.sources, annotation.source)
                wanted[key] = replace(found, labels=labels, sources=sources)
            number += 1
    return CuttingUnit(video, tuple(entries), tuple(wanted.values()))


def _clip(id: str, label: str, annotation: Annotation, group: str, split: str) -> WantedClip:
    return WantedClip(id, (label,) if label else (), annotation.extent, group, (annotation.source,), split)


def _text(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{value!r} has no text")
