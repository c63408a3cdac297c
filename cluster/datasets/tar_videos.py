"""Tars of videos, as `webdataset` packs them → `Video` rows of their members, in the order of the tar.

A tar counts as a folder of its name: in `shards/00.tar`, the member `a/1.mp4` is the video `shards/00/a/1`, and `a/1`
where the input is that tar alone. As in webdataset, a member's name ends at the first dot after its last slash; what
follows is its extension, which says whether it is a video. The class index in a `.cls` beside it is its label.
Of members with one path the last counts. What a listing leaves out of a folder (`storage.exclusion`) is left out of a
tar, too; other members that are no videos are counted, and labels that are no class indices.

A tar that is damaged, or cannot be read, is itself a row after its members, with its extension in the id: it fails, and
the failure says why. What else it holds is unknown, wherever its row belongs.
"""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

from cluster.datasets.label_cells import labels_of
from cluster.storage.exclusion import HIDDEN, Exclusion
from cluster.storage.forward_reads import open_headers
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.redaction import redacted_uri
from cluster.storage.retry import RetryPolicy
from cluster.storage.tar_listings import listed_members
from cluster.storage.tar_members import TarMember, is_tar, member_uri, member_version
from cluster.storage.video_source import RETRY_POLICY
from schemas.text import storable
from schemas.videos import Video

LABELS = ".cls"
MAX_LABEL_BYTES = 1024
MAX_REQUESTS = 16  # tars whose headers are read at the same time

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class Unpacked:
    """Videos, members in place of their tars.

    names          of each, the name that tells it from others which have its id otherwise
    others         the number of members that are no videos, by extension
    tars           how many there were
    unread         those of them that could not be read to their end
    unread_labels  members that should be labels, and hold no class index
    """

    videos: list[Video]
    names: list[str]
    others: Counter[str]
    tars: int
    unread: list[str]
    unread_labels: list[str]


def unpacked(
    videos: Sequence[Video],
    names: Sequence[str],
    suffixes: Sequence[str],
    policy: ReadPolicy,
    retry_policy: RetryPolicy = RETRY_POLICY,
    is_over: Event | None = None,
    exclusion: Exclusion = HIDDEN,
) -> Unpacked:
    """The videos, and in place of each tar its members.

    The ids of members begin with that of the tar, unless it is empty; a tar's labels are those of all its members.

    names      one of each video, with its extension
    suffixes   of videos
    is_over    set by whoever does not want the videos any more
    exclusion  of members, by their paths below the input
    """
    tars = [video for video in videos if is_tar(video.uri)]
    found = Unpacked([], [], Counter(), len(tars), [], [])
    is_over = is_over or Event()
    pool = ThreadPoolExecutor(MAX_REQUESTS, thread_name_prefix="tars")
    try:
        listings = pool.map(partial(_listed, policy=policy, retry_policy=retry_policy, is_over=is_over), tars)
        for video, name in zip(videos, names, strict=True):
            if not is_tar(video.uri):
                found.videos.append(video)
                found.names.append(name)
                continue
            listing = next(listings)
            _add_members(found, video, name or video.id, listing, suffixes, exclusion)
            if not listing.is_whole:
                found.videos.append(replace(video, id=name or video.id or posixpath.basename(video.uri)))
                found.names.append(name)
                found.unread.append(video.uri)
    except BaseException:
        is_over.set()  # whoever is interrupted need not wait for the other tars
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return found


@dataclass(frozen=True)
class _Listing:
    """Members by path, labels by path without extension (none where they are no class indices), and whether all of the
    tar has been read."""

    members: dict[str, TarMember]
    labels: dict[str, tuple[int | str, ...]]
    is_whole: bool


def _listed(tar: Video, policy: ReadPolicy, retry_policy: RetryPolicy, is_over: Event) -> _Listing:
    members: dict[str, TarMember] = {}
    labels: dict[str, tuple[int | str, ...]] = {}
    is_whole = True
    if is_over.is_set():
        return _Listing(members, labels, is_whole)
    try:
        retry = partial(retry_policy.call, redacted_uri(tar.uri))
        open_tar = partial(open_headers, tar.uri, retry, policy, tar.size_bytes)
        for member, content in listed_members(tar.uri, tar.version, open_tar, _may_be_label):
            if is_over.is_set():
                break
            path = storable(member.name.removeprefix("./").lstrip("/"))
            if _is_hidden(path):
                continue
            members.pop(path, None)  # its place is that of the last one
            members[path] = member
            key, extension = split_name(path)
            if extension == LABELS:
                labels[key] = () if content is None else _labels(content)
    except Exception:  # each store has its own; who opens the tar itself learns why
        is_whole = False
    return _Listing(members, labels, is_whole)


def _add_members(
    found: Unpacked, tar: Video, tar_name: str, listing: _Listing, suffixes: Sequence[str], exclusion: Exclusion
) -> None:
    for path, member in listing.members.items():
        if exclusion.leaves_out("/".join(filter(None, (tar.id, path))), with_hidden=True):
            continue
        key, extension = split_name(path)
        suffix = posixpath.splitext(extension)[1].lower() if extension.count(".") > 1 else extension.lower()
        if suffix not in suffixes:
            if suffix != LABELS:
                found.others[suffix] += 1
            elif not tar.labels and not listing.labels.get(key):
                found.unread_labels.append("/".join(filter(None, (tar_name, path))))
            continue
        uri = member_uri(tar.uri, member.start, member.size_bytes)
        video = replace(
            tar,
            id="/".join(filter(None, (tar.id, key))),
            uri=uri,
            labels=tar.labels or listing.labels.get(key, ()),
            version=member_version(tar.version, uri),
            size_bytes=member.size_bytes or None,
        )
        found.videos.append(video)
        found.names.append("/".join(filter(None, (tar_name, path))))


def _is_hidden(path: str) -> bool:
    return HIDDEN.leaves_out("/".join(name for name in path.split("/") if name not in (".", "..")))


def split_name(path: str) -> tuple[str, str]:
    """A member's path up to the first dot after the last slash, and the extension from that dot on.

    Dots at the start of a name do not count.
    """
    folder, slash, name = path.rpartition("/")
    stem, dot, extension = name.lstrip(".").partition(".")
    hidden = name[: len(name) - len(name.lstrip("."))]
    return f"{folder}{slash}{hidden}{stem}", f"{dot}{extension}"


def _may_be_label(member: TarMember) -> bool:
    return member.name.endswith(LABELS) and member.size_bytes <= MAX_LABEL_BYTES


def _labels(content: bytes) -> tuple[int | str, ...]:
    try:
        labels = labels_of(content.decode().strip())
    except ValueError:  # of which a decoding error is one
        return ()
    return labels if all(isinstance(label, int) for label in labels) else ()
