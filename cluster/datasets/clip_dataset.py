"""A data set as it lies in folders → its videos with labels, splits and groups; what its readers share.

A file that cannot be listed or read is a `ManifestError`.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.datasets.grouped_splits import GroupedVideo
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.partitions import VIDEO_SUFFIXES
from cluster.datasets.text_files import decoded
from cluster.storage import files
from cluster.storage.exclusion import Exclusion
from cluster.storage.listing import list_files
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.tar_members import part_of
from schemas.videos import Video


@dataclass(frozen=True)
class DatasetLocation:
    """Where a data set is: its videos, without what `exclude` matches, its lists, and the number of the list used.

    `policy` is how far the reading of its videos goes.
    """

    input: str
    annotations: str = ""
    split_number: int = 1
    exclude: tuple[str, ...] = ()
    policy: ReadPolicy = STRICT

    def videos(self) -> list[Video]:
        """Its videos, found by their files. Raises `ManifestError`."""
        return read_videos(self.input, self.exclude, self.policy)


@dataclass(frozen=True)
class ClipDataset:
    """The videos of a data set.

    classes   all names, in the order of their indices
    missing   names in a list that are not below INPUT, each with its class
    """

    listed: list[GroupedVideo]
    classes: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)


def by_stem(location: DatasetLocation) -> dict[str, Video]:
    """Videos by their names without folders, as lists name them."""
    videos = location.videos()
    counts = Counter(map(_stem, videos))
    twice = [f"{stem!r} is the name of {count} videos" for stem, count in sorted(counts.items()) if count > 1]
    refuse(location.input, twice)
    return {_stem(video): video for video in videos}


def _stem(video: Video) -> str:
    """The name of a video; of a tar's member, its URI has none, and its id ends in an extension only where it must."""
    if part_of(video.uri) is None:
        return stem_of(video.uri)
    name = posixpath.basename(video.id)
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def stem_of(path: str) -> str:
    """The name of a file without folders and extension."""
    return posixpath.splitext(posixpath.basename(path))[0]


def list_of_files(uri: str, exclude: Sequence[str] = ()) -> list[str]:
    """The URIs of all files below a folder, sorted, but for what the patterns `exclude` match."""
    try:
        return sorted(file.uri for file in list_files(uri, Exclusion(exclude)))
    except (OSError, files.StorageError) as error:
        raise ManifestError(uri, [f"it cannot be listed: {error}"]) from error


def lines_of(uri: str) -> list[str]:
    """The lines of a text file that are not blank, without blanks at their ends."""
    return [line.strip() for line in text_of(uri).splitlines() if line.strip()]


def text_of(uri: str) -> str:
    """The content of a text file."""
    try:
        return decoded(files.read_bytes(uri))
    except (OSError, files.StorageError, ValueError) as error:
        raise ManifestError(uri, [f"it cannot be read: {error}"]) from error


def refuse(source: str, problems: list[str]) -> None:
    """Raise `ManifestError` if there are problems."""
    if problems:
        raise ManifestError(source, problems)
