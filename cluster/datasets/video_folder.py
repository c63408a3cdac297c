"""A folder, glob, bucket prefix or single video → `Video` rows, in the order of their URIs.

A video is named by its path below the input's root, without the extension; files that would have one name keep theirs.
In a folder, files with a video's extension count; a single file counts whatever its name. A tar stands for its members
(`datasets.tar_videos`).
"""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.datasets.tar_videos import unpacked
from cluster.storage.buckets import StoredFile
from cluster.storage.exclusion import Exclusion
from cluster.storage.files import is_local
from cluster.storage.listing import below, list_files, split_glob
from cluster.storage.local_files import regular_file
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.tar_members import COMPRESSED, PLAIN_ONLY, TAR, is_tar
from schemas.errors import EXAMPLES, examples
from schemas.text import storable
from schemas.videos import Video

VIDEO_SUFFIXES = tuple(
    f".{suffix}"
    for line in (
        "3g2 3gp asf avi divx dv f4v flv gif h264 h265 hevc ivf m2ts m2v m4v mkv",
        "mov mp4 mpe mpeg mpg mts mxf ogg ogv rm rmvb ts vob webm wmv",
    )
    for suffix in line.split()
)

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class VideoFolder:
    """The videos of a folder.

    unread   folders, links and compressed tars in it that could not be read: what they hold is missing among the videos
    outside  links that lead out of it and were not followed: likewise
    others   the number of files that do not count as videos, by extension
    """

    videos: list[Video]
    unread: tuple[str, ...]
    outside: tuple[str, ...]
    others: Counter[str]


def list_videos(source: str, exclude: Sequence[str] = (), policy: ReadPolicy = STRICT) -> VideoFolder:
    """The videos below a folder or prefix, or those that a glob matches, but for what the patterns `exclude` match.

    A link that leads nowhere is a video without a version; one that leads out of the folder is followed only if the
    policy allows it.

    Raises:
        OSError, cluster.storage.files.StorageError: where `source` cannot be listed.
    """
    root, _ = split_glob(source, policy)
    unread: list[str] = []
    outside: list[str] = []
    found: list[StoredFile] = []
    packed: list[str] = []
    others: Counter[str] = Counter()
    exclusion = Exclusion(exclude)
    for file in list_files(
        source, exclusion, unread=unread, outside=None if policy.follow_links else outside, policy=policy
    ):
        suffix = posixpath.splitext(file.uri)[1].lower()
        if suffix in (*VIDEO_SUFFIXES, TAR) or file.uri == root:
            found.append(file)
        elif file.uri.lower().endswith(COMPRESSED):
            packed.append(file.uri)
        elif not file.version and is_local(source):
            unread.append(file.uri)  # a link that may lead to a folder, on a disk that is not there
        else:
            others[suffix] += 1
    found.sort(key=lambda file: file.uri)  # not every store keeps to the order of names
    full = ["" if file.uri == root and is_tar(root) else _name(file.uri, root) for file in found]
    files = [
        Video(posixpath.splitext(name)[0], file.uri, version=file.version, size_bytes=file.size_bytes or None)
        for name, file in zip(full, found, strict=True)
    ]
    members = unpacked(files, full, VIDEO_SUFFIXES, policy)
    others += members.others
    ids = distinct_ids([video.id for video in members.videos], members.names)
    videos = [replace(video, id=name) for video, name in zip(members.videos, ids, strict=True)]
    outside = [link for link in outside if link.lower().endswith((*VIDEO_SUFFIXES, TAR)) or regular_file(link) is None]
    listed = VideoFolder(videos, tuple(unread), tuple(outside), others)
    _log(listed)
    if packed:
        logger.warning(f"{PLAIN_ONLY}; what they hold is missing from this run: {examples(packed)}")
    if exclusion.unused:
        logger.info(f"nothing there matches --exclude {' '.join(sorted(exclusion.unused))}")
    return replace(listed, unread=(*unread, *packed))


def distinct_ids(names: Sequence[str], full: Sequence[str]) -> list[str]:
    """The names, and in place of those that would not be unique the `full` ones, where there is any."""
    ids = list(names)
    renamed: set[str] = set()
    while len(set(ids)) < len(ids):  # a full name may be the name of another video
        counts = Counter(ids)
        places = [place for place, name in enumerate(ids) if counts[name] > 1 and full[place] not in ("", name)]
        if not places:
            break
        for place in places:
            ids[place] = full[place]
        renamed.update(full[place] for place in places)
    if renamed:
        logger.info(
            f"{len(renamed)} videos have the name of another one but for the extension, and keep it in their ids: "
            + examples(sorted(renamed))
        )
    return ids


def described(others: Counter[str]) -> str:
    """Files that do not count as videos, as text: `12 .txt, 3 .jpg, 1 without an extension`."""
    parts = [f"{count} {suffix or 'without an extension'}" for suffix, count in others.most_common(EXAMPLES)]
    return ", ".join([*parts, *(["…"] if len(others) > EXAMPLES else [])])


def _name(uri: str, root: str) -> str:
    return storable(posixpath.basename(uri) if uri == root else below(root, uri))


def _log(listed: VideoFolder) -> None:
    if listed.unread:
        logger.warning(
            f"{len(listed.unread)} folders or links cannot be read, and what they hold is missing from this run: "
            + examples(listed.unread)
        )
    if listed.outside:
        logger.warning(
            f"{len(listed.outside)} links lead out of the folder, and what they lead to is missing from this run "
            f"(--follow-links takes it in): {examples(listed.outside)}"
        )
    if listed.others:
        logger.info(f"left out, as their extensions are not those of videos: {described(listed.others)}")
