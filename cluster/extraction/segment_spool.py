"""Features of long videos' segments, on this machine's disk until the last one of a video arrives.

A video of weeks has thousands of segments, and any number of videos may be in work at the same time. The files are in a
temporary folder (`TMPDIR`), one for each video.
"""

from __future__ import annotations

import mmap
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.engines.wire import LENGTH, pack, unpack
from cluster.storage.temporaries import temporaries_explained
from extractors.features import SegmentFeatures

CONTENT = "a video's features"  # as errors name it


class SegmentSpool:
    """Keeps segments by the ids of their videos. To be closed."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="framemill-")
        self._numbers = count()
        self._paths: dict[str, Path] = {}

    def add(self, name: str, features: SegmentFeatures) -> None:
        """Keep a segment of the video `name`. Raises `InputError` where the disk takes no more."""
        path = self._paths.setdefault(name, Path(self._folder.name, str(next(self._numbers))))
        packed = pack(features)
        with temporaries_explained(CONTENT), path.open("ab") as file:
            file.write(LENGTH.pack(len(packed)) + packed)

    def take(self, name: str) -> list[SegmentFeatures]:
        """The segments of a video, in the order of their arrival; their arrays are mapped into memory."""
        if name not in self._paths:
            return []
        with self._paths[name].open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.forget(name)
        segments = []
        while content:
            end = LENGTH.size + LENGTH.unpack_from(content)[0]
            segments.append(unpack(SegmentFeatures, content[LENGTH.size : end]))
            content = content[end:]
        return segments

    def forget(self, name: str) -> None:
        """Remove what is kept of a video; arrays that were taken stay valid."""
        if name in self._paths:
            self._paths.pop(name).unlink()

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()
