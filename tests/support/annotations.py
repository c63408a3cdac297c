"""Exports of annotation tools, written for a test, and what was read of them in short."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from cluster.annotations.base import AnnotationError, ReadOptions
from cluster.annotations.read import AUTO, read_annotations
from schemas.annotations import Annotation, AnnotationSet, FrameRange, TimeRange


def write(root: Path, files: Mapping[str, Any]) -> str:
    """Write files below a folder, text as it is and everything else as JSON; returns the folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(root)


def read(
    root: Path, files: Mapping[str, Any], *, format_name: str = AUTO, policy: Any = None, **options: Any
) -> AnnotationSet:
    """What is read of an export that has these files: of the file, where it is one, as a single one."""
    uri = write(root, files)
    single = next(iter(files)) if len(files) == 1 else ""
    rate = options.pop("frame_rate", None)
    given = ReadOptions(frame_rate=None if rate is None else Fraction(rate), **options)
    return read_annotations(f"{uri}/{single}" if single else uri, format_name, given)


def problems_of(root: Path, files: Mapping[str, Any], **options: Any) -> str:
    """What is wrong with such an export."""
    with pytest.raises(AnnotationError) as caught:
        read(root, files, **options)
    return str(caught.value)


def spans(found: AnnotationSet) -> dict[str, list[tuple[Any, ...]]]:
    """By video, each annotation as label and first and last frame (integers), start and end (seconds), or nothing."""
    return {video.name: [(one.label, *_ends(one)) for one in video.annotations] for video in found.videos}


def _ends(one: Annotation) -> tuple[Any, ...]:
    match one.extent:
        case FrameRange(first, last, None):
            return first, last
        case FrameRange(first, last, rate):
            return first, last, rate
        case TimeRange(start, end):
            return float(start), float(end)
    return ()
