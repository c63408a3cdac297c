"""Labels that people correct, kept as a manifest that training takes: `corrections.csv`.

In: a part of a video and the label that it should have. Out: a row (`cluster.datasets.manifest`), with whole seconds,
as manifests have them: from the one in which the part begins to the one in which it ends. The corrected video is copied
beside the manifest, under the sha256 of its content, only where the operator gave a folder for that.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

from cluster.datasets.label_cells import labels_of
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_writer import write_manifest
from cluster.storage.read_policy import ReadPolicy
from schemas.errors import InputError
from schemas.videos import Video

MANIFEST = "corrections.csv"
VIDEOS = "videos"
SUFFIX = ".video"
MAX_CORRECTIONS = 100_000
CHUNK_BYTES = 1 << 20


class Corrections:
    """The manifest in `folder`, and the videos that it names if `keeps_videos`. Raises `InputError` for another's."""

    def __init__(self, folder: Path, *, keeps_videos: bool) -> None:
        self._folder, self._keeps_videos = folder.absolute(), keeps_videos
        self._manifest = self._folder / MANIFEST
        self._lock = threading.Lock()
        self._rows: list[Video] = []
        if self._manifest.exists():
            self._rows = read_videos(str(self._manifest), policy=ReadPolicy(allow_local_files=True))

    def add(self, path: Path, start_seconds: float, end_seconds: float, label: str) -> Video:
        """Keep a correction of the video at `path`. Raises `InputError` for a label that a manifest cannot hold."""
        if labels_of(label) != (label,):
            raise InputError(f"{label[:80]!r} is no name of one class: digits alone, lists and ; are read otherwise")
        with self._lock:
            if len(self._rows) >= MAX_CORRECTIONS:
                raise InputError(f"{MAX_CORRECTIONS} corrections are kept already")
            sha256 = _sha256(path)
            place = self._folder / VIDEOS / f"{sha256}{SUFFIX}"
            start, end = math.floor(start_seconds), math.ceil(end_seconds)
            row = Video(f"{sha256[:24]}#{len(self._rows) + 1}", str(place), (label,), "", start, max(end, start + 1))
            same = [each for each in self._rows if replace(each, id="", labels=()) == replace(row, id="", labels=())]
            if same:  # corrected again: the latest word counts
                row = replace(row, id=same[0].id)
            if self._keeps_videos and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                part = place.with_name(f".{place.name}.part")
                shutil.copyfile(path, part)
                os.replace(part, place)
            rows = [*(each for each in self._rows if each.id != row.id), row]
            self._folder.mkdir(parents=True, exist_ok=True)
            write_manifest(str(self._manifest), rows)
            self._rows = rows
        return row

    def manifest(self) -> bytes:
        """What has been kept so far."""
        with self._lock:
            return self._manifest.read_bytes() if self._rows else b""


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
