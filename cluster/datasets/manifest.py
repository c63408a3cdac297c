"""Input of a job: a manifest file (`datasets.manifest_videos`), or what `datasets.video_folder` lists → `Video` rows.

A tar stands for its members, whose ids begin with that of its row or its name (`datasets.tar_videos`).
Without an id, a video of a manifest is named by its URI, without the extension unless only that tells it from another;
where the manifest is so large that it is a stream, two of one name are a problem.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain

from cluster.datasets.left_out import TarAccount, described
from cluster.datasets.listed_videos import ListedVideos
from cluster.datasets.manifest_rows import URI, is_manifest, refusal
from cluster.datasets.manifest_stream import StreamedManifest
from cluster.datasets.manifest_videos import (
    ID,
    ManifestError,
    ManifestReader,
    VideoInput,
    checked,
    looked_from,
    whole_manifest,
)
from cluster.datasets.partitions import WHOLE, Partition
from cluster.datasets.video_folder import FolderListing, VideoFolder, list_videos
from cluster.datasets.video_stream import VideoStream, WholeVideos
from cluster.storage import files
from cluster.storage.buckets import StoredFile
from cluster.storage.listing import is_glob
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.tar_members import is_tar
from schemas.errors import examples
from schemas.videos import Video

FIRST_FILES = 1 << 17  # of a folder, which are listed before any work: most folders have no more
FIRST_ROWS = 1 << 17  # of a manifest, likewise
MEMBERS = 1 << 10  # as many files a tar counts for


def read_videos(
    source: str, exclude: Sequence[str] = (), policy: ReadPolicy = STRICT, *, needs_uri: bool = True
) -> list[Video]:
    """The videos of `read_input`."""
    return read_input(source, exclude, policy, needs_uri=needs_uri).videos


def read_input(
    source: str, exclude: Sequence[str] = (), policy: ReadPolicy = STRICT, *, needs_uri: bool = True
) -> VideoInput:
    """The videos that `source` names, in a fixed order; of a folder, without what the patterns `exclude` match.

    Without `needs_uri`, a manifest may name its videos by their ids alone: they are not read.

    Raises:
        ManifestError: with all problems at once.
    """
    if is_manifest(source):
        reader = ManifestReader(source, URI if needs_uri else ID, policy)
        with closing(reader):
            return _checked_manifest(reader, reader, exclude)
    with _listed(source, policy):
        return _checked_folder(source, list_videos(source, exclude, policy))


def open_input(
    source: str, exclude: Sequence[str] = (), policy: ReadPolicy = STRICT, partition: Partition = WHOLE
) -> VideoStream:
    """Those videos of `read_input` that a partition holds; a large input is read while its first are worked on.

    Raises `ManifestError` as `read_input` does. To be closed.
    """
    if is_manifest(source):
        return _open_manifest(ManifestReader(source, URI, policy), exclude, partition)
    with _listed(source, policy):
        listing = FolderListing(source, exclude, policy)
        pages = listing.files()
        first: list[StoredFile] = []
        tars = 0
        for page in pages:
            first += page
            tars += sum(is_tar(file.uri) for file in page)
            if len(first) + tars * MEMBERS >= FIRST_FILES:
                return ListedVideos(listing, chain([first], pages), partial(_checked_folder, source), partition)
        return _whole(_checked_folder(source, listing.folder(first)), partition)


def _whole(found: VideoInput, partition: Partition) -> WholeVideos:
    return WholeVideos(found.videos, found.unread, partition, unread_share=found.unread_share)


def _open_manifest(reader: ManifestReader, exclude: Sequence[str], partition: Partition) -> VideoStream:
    first: list[tuple[Video, str]] = []
    tars = 0
    for video, name in reader:
        first.append((video, name))
        tars += is_tar(video.uri)
        if len(first) + tars * MEMBERS >= FIRST_ROWS:
            break
    else:
        return _whole(_checked_manifest(reader, first, exclude), partition)
    if reader.problems or exclude:
        reader.problems.append(f"what comes after its first {len(first):,} videos is not read")
    try:
        checked(reader.source, VideoInput([video for video, _ in first]), [*reader.problems, *_misplaced(exclude)])
    except ManifestError:
        reader.close()
        raise
    return StreamedManifest(reader, first, partition)


def _checked_manifest(
    reader: ManifestReader, videos: Iterable[tuple[Video, str]], exclude: Sequence[str]
) -> VideoInput:
    found = whole_manifest(reader, videos, TarAccount())
    return checked(reader.source, found, [*reader.problems, *_misplaced(exclude)])


def _misplaced(exclude: Sequence[str]) -> list[str]:
    return ["--exclude goes with folders: remove rows from the manifest instead"] if exclude else []


@contextmanager
def _listed(source: str, policy: ReadPolicy) -> Iterator[None]:
    """Turn what prevents a listing into a `ManifestError`."""
    problem = refusal(source)
    try:
        if problem and not is_glob(source, policy) and not _is_folder(source):
            raise ManifestError(source, [problem])
        yield
    except ManifestError:
        raise
    except (OSError, files.StorageError) as error:
        raise ManifestError(source, [f"it cannot be listed: {error}{looked_from(source, error)}"]) from error


def _checked_folder(source: str, listed: VideoFolder) -> VideoInput:
    problems = []
    if not listed.videos and listed.others:
        problems.append(
            f"no video found there, but {described(listed.others)}: a manifest can name files with any extension"
        )
    if not listed.videos and listed.unread:
        problems.append(f"no video found there, and these cannot be read: {', '.join(listed.unread)}")
    if not listed.videos and listed.outside:
        problems.append(
            f"no video found there, but links that lead out of it: {examples(listed.outside)}; "
            "--follow-links takes in what they lead to"
        )
    found = VideoInput(listed.videos, (*listed.unread, *listed.outside), listed.unread_share)
    return checked(source, found, problems)


def _is_folder(source: str) -> bool:
    return source.endswith("/") or (files.is_local(source) and os.path.isdir(files.local_path(source)))
