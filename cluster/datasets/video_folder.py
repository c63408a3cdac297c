"""A folder, glob, bucket prefix or single video → `Video` rows, in the order of their URIs.

A video is named by its path below the input's root, without the extension; files that would have one name keep theirs.
In a folder, files with a video's extension count (`partitions.VIDEO_SUFFIXES`); a single file counts whatever its name.
A tar stands for its members (`datasets.tar_videos`).
"""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

from cluster.datasets.left_out import TarAccount, described
from cluster.datasets.partitions import VIDEO_SUFFIXES, without_extension
from cluster.datasets.tar_videos import unpacked
from cluster.storage.buckets import StoredFile
from cluster.storage.exclusion import Exclusion
from cluster.storage.files import is_local
from cluster.storage.listing import below, list_streams, split_glob
from cluster.storage.local_files import regular_file
from cluster.storage.read_ahead import in_turns
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.tar_members import COMPRESSED, PLAIN_ONLY, TAR, is_tar
from schemas.errors import examples
from schemas.text import counted, storable
from schemas.videos import Video

FILES_AT_ONCE = 1 << 12
TARS_AT_ONCE = 16  # which are unpacked, of a listing that memory should not hold
SUFFIXES = frozenset((*VIDEO_SUFFIXES, TAR))

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class VideoFolder:
    """The videos of a folder; the others as in `FolderListing`, with tars among the `unread`."""

    videos: list[Video]
    unread: tuple[str, ...]
    outside: tuple[str, ...]
    others: Counter[str]
    unread_share: float


def list_videos(source: str, exclude: Sequence[str] = (), policy: ReadPolicy = STRICT) -> VideoFolder:
    """All videos of a folder. Raises what `FolderListing` does."""
    listing = FolderListing(source, exclude, policy)
    return listing.folder([file for some in listing.files() for file in some])


class FolderListing:
    """The listing of the videos below a folder or prefix, or of those that a glob matches.

    What the patterns `exclude` match is left out. A link that leads nowhere is a video without a version; one that
    leads out of the folder is followed only if the policy allows it. The listing is read once, and knows afterwards:

    unread       folders, links and compressed tars in it that could not be read: what they hold is missing among the
                 videos
    outside      links that lead out of it and were not followed: likewise
    others       the number of files that do not count as videos, by extension
    tars         what has been unpacked

    `is_ordered` says whether files have come in the order of their names, without which those whose names differ in
    the extension alone need not have come together.

    Raises:
        OSError, cluster.storage.files.StorageError: where `source` cannot be listed.
    """

    def __init__(self, source: str, exclude: Sequence[str] = (), policy: ReadPolicy = STRICT) -> None:
        self.unread: list[str] = []
        self.outside: list[str] = []
        self.others: Counter[str] = Counter()
        self.tars = TarAccount()
        self.is_ordered = True
        self._is_over = Event()
        self._packed: list[str] = []
        self._exclusion = Exclusion(exclude)
        self._policy = policy
        self._is_local = is_local(source)
        self._root, _ = split_glob(source, policy)
        outside = None if policy.follow_links else self.outside
        self._streams = list_streams(source, self._exclusion, unread=self.unread, outside=outside, policy=policy)

    def files(self) -> Iterator[list[StoredFile]]:
        """Its videos, some at a time; those whose names differ in the extension alone come together.

        Streams of a bucket are read at the same time, in no fixed order.
        """
        others = [Counter[str]() for _ in self._streams]  # of each, as threads read them
        yield from in_turns(list(map(self._together, self._streams, others)))
        self.others = sum(others, Counter())
        self.outside = [link for link in self.outside if _may_hold_videos(link)]
        self._log()

    def close(self) -> None:
        """Read no further in tars: nobody wants the videos any more."""
        self._is_over.set()

    def videos(self, files: Sequence[StoredFile]) -> list[Video]:
        """The videos of files, among which are all that may have the name of another one."""
        full = ["" if file.uri == self._root and is_tar(file.uri) else _name(file.uri, self._root) for file in files]
        found = [
            Video(
                name[: len(name) - len(suffix_of(name))],
                file.uri,
                version=file.version,
                size_bytes=file.size_bytes or None,
            )
            for name, file in zip(full, files, strict=True)
        ]
        members = unpacked(found, full, VIDEO_SUFFIXES, self._policy, is_over=self._is_over, exclusion=self._exclusion)
        self.tars.add(members)
        return with_distinct_ids(members.videos, members.names)

    def some_videos(self, files: Sequence[StoredFile]) -> Iterator[list[Video]]:
        """The same, those of a few tars at a time: whatever a tar holds has a name that begins with the tar's."""
        yield self.videos([file for file in files if not is_tar(file.uri)])
        tars = [file for file in files if is_tar(file.uri)]
        for start in range(0, len(tars), TARS_AT_ONCE):
            yield self.videos(tars[start : start + TARS_AT_ONCE])

    def folder(self, files: Iterable[StoredFile]) -> VideoFolder:
        """All of them in the order of their URIs: neither every store nor several streams keep to that."""
        videos = self.videos(sorted(files, key=lambda file: file.uri))
        self.log_end()
        unread = (*self.unread, *self.tars.unread)
        others = self.others + self.tars.others
        return VideoFolder(videos, unread, tuple(self.outside), others, self.tars.unread_share)

    def log_end(self) -> None:
        """Log what has come of the tars that have been unpacked, and which patterns match nothing."""
        self.tars.log()
        if self._exclusion.unused:
            logger.info(f"nothing there matches --exclude {' '.join(sorted(self._exclusion.unused))}")

    def _together(self, stream: Iterable[StoredFile], others: Counter[str]) -> Iterator[list[StoredFile]]:
        some: list[StoredFile] = []
        start = ""  # of names that belong together
        before = ""
        for file in stream:
            uri = file.uri
            if uri < before and not self._is_local:
                self.is_ordered = False
            before = uri
            suffix = suffix_of(uri)
            if suffix in SUFFIXES or uri == self._root:
                if len(some) >= FILES_AT_ONCE and not (start and uri.startswith(start)):
                    start = _common_start(some, uri)
                    if not start:
                        yield some
                        some = []
                some.append(file)
            elif uri.lower().endswith(COMPRESSED):
                self._packed.append(uri)
            elif not file.version and self._is_local:
                self.unread.append(file.uri)  # a link that may lead to a folder, on a disk that is not there
            else:
                others[suffix] += 1
        if some:
            yield some

    def _log(self) -> None:
        if self.unread:
            logger.warning(
                f"{len(self.unread)} of the folders and links cannot be read, and content is missing from this run: "
                + examples(self.unread)
            )
        if self.outside:
            logger.warning(
                f"{counted(len(self.outside), 'link')} out of the folder, and what is there is missing from this run "
                f"(--follow-links takes it in): {examples(self.outside)}"
            )
        if self._packed:
            logger.warning(f"{PLAIN_ONLY}; what they hold is missing from this run: {examples(self._packed)}")
            self.unread += self._packed
        if self.others:
            logger.info(f"left out, as their extensions are not those of videos: {described(self.others)}")


def _common_start(files: Sequence[StoredFile], uri: str) -> str:
    """What `uri` begins with: the name of a file before it without its extension, and a point; empty for none.

    Names come in order: all that begin like that come together, and some of them may differ in the extension alone.
    """
    last = files[-1].uri
    shared = posixpath.commonprefix([last, uri])
    for place in (place for place, character in enumerate(shared) if character == "."):
        start = shared[: place + 1]
        for file in reversed(files):
            if not file.uri.startswith(start):
                break
            if without_extension(file.uri) == start[:-1]:
                return start
    return ""


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
            f"{counted(len(renamed), 'video')} with the name of another one but for the extension, which the id keeps: "
            + examples(sorted(renamed))
        )
    return ids


def with_distinct_ids(videos: Sequence[Video], full: Sequence[str]) -> list[Video]:
    """The videos, named as `distinct_ids` says; `full` are their names with extensions."""
    ids = distinct_ids([video.id for video in videos], full)
    return [video if video.id == name else replace(video, id=name) for video, name in zip(videos, ids, strict=True)]


def suffix_of(name: str) -> str:
    """The extension in lower case, as `posixpath.splitext` finds it, in a third of the time."""
    stem, point, suffix = name.rpartition(".")
    if not point or "/" in suffix or not stem or stem[-1] in "/.":
        return posixpath.splitext(name)[1].lower()
    return f".{suffix.lower()}"


def _name(uri: str, root: str) -> str:
    name = posixpath.basename(uri) if uri == root else below(root, uri)
    return name if name.isascii() else storable(name)


def _may_hold_videos(link: str) -> bool:
    return link.lower().endswith((*VIDEO_SUFFIXES, TAR)) or regular_file(link) is None
