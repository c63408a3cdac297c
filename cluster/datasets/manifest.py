"""Input of a job: a manifest file, or what `datasets.video_folder` lists → `Video` rows.

A manifest has the columns `id`, `uri` and optionally `labels`, `split`, `start_seconds`, `end_seconds`, `group`, `text`
and `words` (`datasets.manifest_rows` has its formats, `datasets.label_cells` its labels, `datasets.sentence_cells` what
is spoken). URIs may be relative to the manifest. Times are seconds after the first frame, to the microsecond: further
digits are cut off.
A tar stands for its members, whose ids begin with that of its row (`datasets.tar_videos`).
Without an id, a video is named by its URI, without the extension unless only that tells it from another.
"""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from itertools import chain
from typing import Any

from cluster.datasets.label_cells import checked_text, labels_of, shown
from cluster.datasets.manifest_rows import URI, is_manifest, refusal, rows_of
from cluster.datasets.partitions import VIDEO_SUFFIXES, WHOLE, Partition
from cluster.datasets.sentence_cells import sentence_of, words_of
from cluster.datasets.tar_videos import log_unread, unpacked
from cluster.datasets.time_cells import seconds_of
from cluster.datasets.video_folder import FolderListing, VideoFolder, described, distinct_ids, list_videos, log_members
from cluster.datasets.video_stream import ListedVideos, VideoStream, WholeVideos
from cluster.runs.job_folder import job_folder_of
from cluster.storage import files
from cluster.storage.buckets import StoredFile
from cluster.storage.listing import is_glob
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.redaction import MASK, redacted_uri
from cluster.storage.tar_members import COMPRESSED, PLAIN_ONLY, is_tar, part_of
from cluster.storage.versions import versions_of
from schemas.errors import InputError, examples
from schemas.videos import Video, seconds_text

ID = "id"
COLUMNS = (ID, URI, "labels", "split", "start_seconds", "end_seconds", "group", "text", "words")
FIRST_FILES = 1 << 17  # of a folder, which are listed before any work: most folders have no more
MEMBERS = 1 << 10  # as many files a tar counts for
MAX_PROBLEMS = 20
MAX_FOUND = 10_000  # problems, after which a manifest is read no further
HERE = "a file of the machine that reads it, which a manifest elsewhere may name only with --allow-local-files"

logger = logging.getLogger("framemill")


class ManifestError(InputError):
    """A manifest that cannot be used; `lines` lists everything that is wrong with it."""

    def __init__(self, source: str, lines: list[str]) -> None:
        first = lines[:MAX_PROBLEMS]
        more = [f"… and {len(lines) - MAX_PROBLEMS} more"] if len(lines) > MAX_PROBLEMS else []
        super().__init__("\n".join([f"{redacted_uri(source)}:", *(f"  - {line}" for line in [*first, *more])]))
        self.lines = tuple(lines)


@dataclass(frozen=True)
class VideoInput:
    """What a job is to work on.

    unread        folders, links and tars that were not read, or not to their end: videos are missing
    unread_share  the fraction of such tars among all tars
    """

    videos: list[Video]
    unread: tuple[str, ...] = ()
    unread_share: float = 0.0


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
        return _read_manifest(source, exclude, policy, URI if needs_uri else ID)
    with _listed(source, policy):
        return _checked_folder(source, list_videos(source, exclude, policy))


def open_input(
    source: str, exclude: Sequence[str] = (), policy: ReadPolicy = STRICT, partition: Partition = WHOLE
) -> VideoStream:
    """Those videos of `read_input` that a partition holds; a large folder is listed while its first are worked on.

    Raises `ManifestError` as `read_input` does. To be closed.
    """
    if is_manifest(source):
        return _whole(_read_manifest(source, exclude, policy, URI), partition)
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


def _read_manifest(source: str, exclude: Sequence[str], policy: ReadPolicy, required: str) -> VideoInput:
    found, problems = _from_manifest(source, required, policy)
    if exclude:
        problems.append("--exclude goes with folders: remove rows from the manifest instead")
    return _checked(source, found, problems)


def _checked(source: str, found: VideoInput, problems: list[str]) -> VideoInput:
    problems += [*_mixed_labels(found.videos), *_duplicates(found.videos), *repeated(found.videos)]
    if not found.videos and not problems:
        problems = ["no video found there"]
    if problems:
        raise ManifestError(source, problems)
    return found


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
        raise ManifestError(source, [f"it cannot be listed: {error}{_looked_from(source, error)}"]) from error


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
    return _checked(source, found, problems)


def _from_manifest(source: str, required: str, policy: ReadPolicy) -> tuple[VideoInput, list[str]]:
    try:
        content = files.read_bytes(source, policy)
    except (OSError, files.StorageError) as error:
        return VideoInput([]), [f"it cannot be read: {error}{_looked_from(source, error)}"]
    videos: list[Video] = []
    full: list[str] = []  # names of those without an id, with the extension
    problems: list[str] = []
    known: set[str] = set()
    folder = files.folder_of(source)
    may_be_here = required != URI or files.is_local(source) or policy.allow_local_files
    try:
        for row in rows_of(source, content):
            if len(problems) > MAX_FOUND:
                problems.append(f"{row.place} and those after it are not read")
                break
            if row.problem:
                problems.append(f"{row.place}: {row.problem}")
                continue
            new = row.cells.keys() - known
            if new:
                problems += _unknown_columns(new)
            if not known and required not in row.cells:
                problems.append(f"it has no column {required!r}")
                break
            known |= new
            try:
                video, name = _video(row.cells, folder, required)
                if not may_be_here and _is_here(video.uri):
                    raise ValueError(f"{shown(video.uri)} is {HERE}")
            except ValueError as error:
                problems.append(f"{row.place}: {error}")
            else:
                videos.append(video)
                full.append(name)
    except ValueError as error:
        problems.append(f"it cannot be parsed: {error}")
    unread: tuple[str, ...] = ()
    unread_share = 0.0
    if required == URI and not problems:
        members = unpacked(_tars_with_versions(videos, policy), full, VIDEO_SUFFIXES, policy)
        videos, full = members.videos, members.names
        unread, unread_share = tuple(members.unread), len(members.unread) / max(members.tars, 1)
        log_unread(unread)
        log_members(members.others, members.unread_labels)
    ids = distinct_ids([video.id for video in videos], full)
    named = [video if video.id == name else replace(video, id=name) for video, name in zip(videos, ids, strict=True)]
    return VideoInput(named, unread, unread_share), problems


def _is_here(uri: str) -> bool:
    """Whether a URI leads to a file of this machine; one that leads nowhere is found out later."""
    try:
        return files.is_local(uri)
    except files.StorageError:
        return False


def _is_folder(source: str) -> bool:
    return source.endswith("/") or (files.is_local(source) and os.path.isdir(files.local_path(source)))


def _looked_from(source: str, error: Exception) -> str:
    """Where a relative path that is not there was looked for, to end a problem with."""
    if not isinstance(error, FileNotFoundError) or files.has_scheme(source) or source.startswith(("/", "~")):
        return ""
    if job_folder_of(source):
        return (
            f" ({source!r} counts from the folder of the Ray job, to which --working-dir is sent without what "
            ".gitignore and .rayignore name: give a URI, or the absolute path of a folder that all machines share)"
        )
    return f" ({source!r} counts from the working directory)"


def _unknown_columns(names: Iterable[str]) -> list[str]:
    problems = []
    for name in sorted(set(names) - set(COLUMNS))[: MAX_PROBLEMS + 1]:
        near = get_close_matches(name.strip().lower(), COLUMNS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        problems.append(f"unknown column {name!r}{hint} (known: {', '.join(COLUMNS)})")
    return problems


def _video(row: Mapping[str, Any], folder: str, required: str) -> tuple[Video, str]:
    """The video of a row; and its name with the extension, where the row has no id."""
    if not _text(row, required):
        raise ValueError(f"no {required}")
    uri, name, full = _text(row, URI), _text(row, ID), ""
    if not name:
        full = redacted_uri(uri).removesuffix(f"?{MASK}").removesuffix(f"#{MASK}")  # a signature is no part of the name
        name = posixpath.splitext(full)[0]
    if uri and not files.has_scheme(uri) and not posixpath.isabs(uri) and folder:
        uri = files.join(folder, uri)
    start, end = (seconds_of(row.get(column), column) for column in ("start_seconds", "end_seconds"))
    start = start or 0
    if end is not None and end <= start:
        raise ValueError(f"end_seconds {seconds_text(end)} is not after start_seconds {seconds_text(start)}")
    text = sentence_of(row.get("text"))
    video = Video(
        name,
        uri,
        labels_of(row.get("labels")),
        _text(row, "split"),
        start,
        end,
        group=_text(row, "group"),
        text=text,
        words=words_of(row.get("words"), text),
    )
    _check_interval(video)
    _check_tar(video)
    return video, full


def _check_interval(video: Video) -> None:
    """Refuse words that are not spoken in the interval of their video."""
    for word in video.words:
        late = video.end_seconds is not None and word.end_seconds > video.end_seconds
        if late or word.start_seconds < video.start_seconds:
            end = "its end" if video.end_seconds is None else f"{seconds_text(video.end_seconds)} s"
            spoken = f"{seconds_text(word.start_seconds)} to {seconds_text(word.end_seconds)} s"
            raise ValueError(
                f"word {shown(word.word)} is spoken from {spoken}, outside the video, "
                f"which goes from {seconds_text(video.start_seconds)} to {end}"
            )


def _check_tar(video: Video) -> None:
    """Refuse what is no tar that can be read, or says of all members what can hold for one of them alone."""
    if files.address_of(video.uri).lower().endswith(COMPRESSED):
        raise ValueError(f"{shown(video.uri)}: {PLAIN_ONLY}")
    if is_tar(video.uri) and (video.start_seconds or video.end_seconds is not None or video.text):
        raise ValueError(f"{shown(video.uri)} is a tar: its members have no interval and no text in common")


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{column} must be text, not {shown(value)}")
    return checked_text(str(value).strip(), column)


def _mixed_labels(videos: list[Video]) -> list[str]:
    """Names get indices from 0 on, which would collide with classes that are given by index."""
    labels = [label for video in videos for label in video.labels]
    index = next((label for label in labels if isinstance(label, int)), None)
    name = next((label for label in labels if isinstance(label, str)), None)
    if index is None or name is None:
        return []
    return [f"labels are class indices or names, not both: there are {index} and {name!r}"]


def _duplicates(videos: list[Video]) -> list[str]:
    uris: dict[str, str] = {}
    problems = []
    for video in videos:
        if video.id in uris:
            problems.append(
                f"id {video.id!r} stands for both {redacted_uri(uris[video.id])!r} and {redacted_uri(video.uri)!r}; "
                "ids must be unique (a manifest can give each video an id of its own)"
            )
        else:
            uris[video.id] = video.uri
    return problems


def _tars_with_versions(videos: list[Video], policy: ReadPolicy) -> list[Video]:
    tars = [video for video in videos if is_tar(video.uri)]
    known = dict(zip(tars, with_versions(tars, policy), strict=True)) if tars else {}
    return [known.get(video, video) for video in videos] if known else videos


def repeated(videos: Iterable[Video]) -> list[str]:
    """What a test would know from training: videos that are in two splits, and members of tars that are there twice."""
    known: dict[str | tuple[Any, ...], Video] = {}
    problems = []
    for video in videos:
        is_whole = not video.start_seconds and video.end_seconds is None
        key = video.uri if is_whole else (video.uri, video.start_seconds, video.end_seconds)
        first = known.setdefault(key, video)
        if first is video or not video.uri:
            continue
        uri = redacted_uri(video.uri)
        if first.split and video.split and first.split != video.split:
            problems.append(f"{first.id!r} and {video.id!r} are one video in two splits: {uri!r}")
        elif part_of(video.uri) is not None:
            problems.append(f"{first.id!r} and {video.id!r} are one member of a tar: {uri!r}")
    return problems


def with_versions(videos: Sequence[Video], policy: ReadPolicy = STRICT) -> list[Video]:
    """The videos with their versions, which a manifest lacks and the store is asked for."""
    found = versions_of((video.uri for video in videos if not video.version), policy)
    if not found:
        return list(videos)
    return [replace(video, version=video.version or found.get(video.uri, "")) for video in videos]
