"""Labels that people correct: those of a video, and those of all videos as a manifest that training takes.

A part of a video has whole seconds: from the one in which it begins to the one in which it ends. The latest word on a
part counts. In an operator's folder, `corrections.csv` (`cluster.datasets.manifest`) outlasts the videos, which are
copied beside it, under the sha256 of their content, as far as there is room for them.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.datasets.label_cells import labels_of
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_writer import WRITERS, write_manifest
from cluster.serving.errors import ApiError
from cluster.storage.read_policy import ReadPolicy
from schemas.errors import InputError
from schemas.videos import Video

MANIFEST = "corrections.csv"
VIDEOS = "videos"
SUFFIX = ".video"
MAX_CORRECTIONS = 100_000
MAX_OF_VIDEO = 1_000
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class CorrectedPart:
    """The label that a part of a video should have, said about what `model` made of it."""

    model: str
    start_seconds: int
    end_seconds: int
    label: str

    def row(self, sha256: str, uri: str) -> Video:
        """As a manifest has it, of a video with this content."""
        name = f"{sha256[:24]}#{self.start_seconds}-{self.end_seconds}"
        return Video(name, uri, (self.label,), "", self.start_seconds, self.end_seconds)


def corrected_part(
    model: str, start_seconds: float, end_seconds: float, label: str, video_seconds: float
) -> CorrectedPart:
    """A part of a video of `video_seconds`. Raises `InputError` for one that it has not, and for an unusable label."""
    if labels_of(label) != (label,):
        raise InputError(f"{label[:80]!r} is no name of one class: digits alone, lists and ; are read otherwise")
    if not start_seconds < min(end_seconds, video_seconds) or end_seconds > math.ceil(video_seconds):
        raise InputError(f"a part begins before it ends, and the video lasts {video_seconds:.1f} s")
    start, end = math.floor(start_seconds), math.ceil(end_seconds)
    return CorrectedPart(model, start, max(end, start + 1), label)


def with_part(parts: Iterable[CorrectedPart], new: CorrectedPart) -> tuple[CorrectedPart, ...]:
    """All of them, of which the new one counts where it is about a part that has been corrected before."""
    span = new.start_seconds, new.end_seconds
    others = [part for part in parts if (part.start_seconds, part.end_seconds) != span]
    if len(others) >= MAX_OF_VIDEO:
        raise ApiError("full", f"a video has {MAX_OF_VIDEO} corrections at most")
    return (*others, new)


def manifest_of(parts: Iterable[CorrectedPart], sha256: str, name: str) -> bytes:
    """The corrections of a video, which lies beside the manifest under its owner's name for it."""
    return WRITERS[".csv"]([part.row(sha256, name) for part in parts])


def sha256_of(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Corrections:
    """The manifest in `folder`, and copies of the videos that it names, of at most `max_bytes` together.

    Raises `InputError` for the manifest of others.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder.absolute(), max_bytes
        self._manifest = self._folder / MANIFEST
        self._lock = threading.Lock()
        self._rows: list[Video] = []
        if self._manifest.exists():
            rows = read_videos(str(self._manifest), policy=ReadPolicy(allow_local_files=True))
            self._rows = [replace(row, uri=self._relative(row.uri)) for row in rows]

    def add(self, path: Path, sha256: str, part: CorrectedPart) -> None:
        """Keep a correction of the video at `path`. Raises `ApiError` where there is no room for it."""
        name = f"{sha256}{SUFFIX}"
        row = part.row(sha256, f"{VIDEOS}/{name}")
        place = self._folder / VIDEOS / name
        with self._lock:
            others = [each for each in self._rows if not _is_about(each, row)]
            if len(others) >= MAX_CORRECTIONS:
                raise ApiError("full", f"{MAX_CORRECTIONS} corrections are kept already")
            if not place.exists():
                self._copy(path, place)
            rows = [*others, row]
            write_manifest(str(self._manifest), rows)
            self._rows = rows

    def manifest(self) -> bytes:
        """What has been kept so far, which names no place of this machine."""
        with self._lock:
            rows = [replace(row, uri=f"{VIDEOS}/{row.uri.rpartition('/')[2]}") for row in self._rows]
        return WRITERS[".csv"](rows)

    def _copy(self, path: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        kept = sum(each.stat().st_size for each in place.parent.iterdir())
        if kept + path.stat().st_size > self._max_bytes:
            raise ApiError("full", "there is no room for one more corrected video")
        part = place.with_name(f".{place.name}.part")
        try:
            shutil.copyfile(path, part)
            os.replace(part, place)
        finally:
            part.unlink(missing_ok=True)

    def _relative(self, uri: str) -> str:
        path = Path(uri)
        return str(path.relative_to(self._folder)) if path.is_relative_to(self._folder) else uri


def _is_about(one: Video, other: Video) -> bool:
    """Whether both are of the same part of the same video."""
    return all(getattr(one, name) == getattr(other, name) for name in ("uri", "start_seconds", "end_seconds"))
