"""The rows of a manifest → `Video` rows, and what is wrong with them.

A manifest has the columns `id`, `uri` and optionally `labels`, `split`, `start_seconds`, `end_seconds`, `group`, `text`
and `words` (`datasets.manifest_rows` has its formats, `datasets.label_cells` its labels, `datasets.sentence_cells` what
is spoken). URIs may be relative to the manifest. Times are seconds after the first frame, to the microsecond: further
digits are cut off.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from cluster.datasets.label_cells import checked_text, labels_of, shown
from cluster.datasets.left_out import TarAccount
from cluster.datasets.manifest_rows import URI, ManifestRow, rows_in
from cluster.datasets.partitions import VIDEO_SUFFIXES
from cluster.datasets.sentence_cells import sentence_of, words_of
from cluster.datasets.tar_videos import unpacked
from cluster.datasets.time_cells import seconds_of
from cluster.datasets.video_folder import with_distinct_ids
from cluster.datasets.video_problems import duplicates, mixed_labels, repeated
from cluster.runs.job_folder import job_folder_of
from cluster.storage import files
from cluster.storage.open_file import open_file
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.redaction import MASK, redacted_uri
from cluster.storage.tar_members import COMPRESSED, PLAIN_ONLY, is_tar
from cluster.storage.versions import versions_of
from schemas.errors import InputError
from schemas.videos import Video, seconds_text

ID = "id"
COLUMNS = (ID, URI, "labels", "split", "start_seconds", "end_seconds", "group", "text", "words")
MAX_PROBLEMS = 20
MAX_FOUND = 10_000  # problems, after which a manifest is read no further
HERE = "a file of the machine that reads it, which a manifest elsewhere may name only with --allow-local-files"


class ManifestError(InputError):
    """A manifest that cannot be used; `lines` lists everything that is wrong with it."""

    def __init__(self, source: str, lines: list[str]) -> None:
        first = lines[:MAX_PROBLEMS]
        more = [f"… and {len(lines) - MAX_PROBLEMS} more"] if len(lines) > MAX_PROBLEMS else []
        super().__init__("\n".join([f"{redacted_uri(source)}:", *(f"  - {line}" for line in [*first, *more])]))
        self.lines = tuple(lines)


class ManifestReader:
    """The videos of the manifest `source`, once, as it is read; tars are rows like others. To be closed.

    Each comes with its name with the extension, which is empty where its row has an id.

    problems  all that is wrong with the rows that have been read
    """

    def __init__(self, source: str, required: str = URI, policy: ReadPolicy = STRICT) -> None:
        self.problems: list[str] = []
        self.source, self.required, self.policy = source, required, policy
        self._videos = self._read()

    def __iter__(self) -> Iterator[tuple[Video, str]]:
        return self._videos

    def close(self) -> None:
        """Read no further."""
        self._videos.close()

    def _read(self) -> Generator[tuple[Video, str], None, None]:
        try:
            yield from self._of_rows(rows_in(self.source, open_file(self.source, self.policy)))
        except (OSError, files.StorageError) as error:
            self.problems.append(f"it cannot be read: {error}{looked_from(self.source, error)}")
        except ValueError as error:
            self.problems.append(f"it cannot be parsed: {error}")

    def _of_rows(self, rows: Iterable[ManifestRow]) -> Iterator[tuple[Video, str]]:
        known: set[str] = set()
        folder = files.folder_of(self.source)
        may_be_here = self.required != URI or files.is_local(self.source) or self.policy.allow_local_files
        for row in rows:
            if len(self.problems) > MAX_FOUND:
                self.problems.append(f"{row.place} and those after it are not read")
                return
            if row.problem:
                self.problems.append(f"{row.place}: {row.problem}")
                continue
            new = row.cells.keys() - known
            if new:
                self.problems += _unknown_columns(new)
            if not known and self.required not in row.cells:
                self.problems.append(f"it has no column {self.required!r}")
                return
            known |= new
            try:
                video, name = _video(row.cells, folder, self.required)
                if not may_be_here and _is_here(video.uri):
                    raise ValueError(f"{shown(video.uri)} is {HERE}")
            except ValueError as error:
                self.problems.append(f"{row.place}: {error}")
            else:
                yield video, name


@dataclass(frozen=True)
class VideoInput:
    """What a job is to work on.

    unread        folders, links and tars that were not read, or not to their end: videos are missing
    unread_share  the fraction of such tars among all tars
    """

    videos: list[Video]
    unread: tuple[str, ...] = ()
    unread_share: float = 0.0


def whole_manifest(reader: ManifestReader, videos: Iterable[tuple[Video, str]], tars: TarAccount) -> VideoInput:
    """All the videos of a manifest, whose rows, `videos`, are still to be read; `tars` are counted.

    Tars stand for themselves where there are problems.
    """
    found, full = [], []
    for video, name in videos:
        found.append(video)
        full.append(name)
    if reader.required == URI and not reader.problems:
        members = unpacked(tars_with_versions(found, reader.policy), full, VIDEO_SUFFIXES, reader.policy)
        found, full = members.videos, members.names
        tars.add(members)
        tars.log()
    return VideoInput(with_distinct_ids(found, full), tuple(tars.unread), tars.unread_share)


def checked(source: str, found: VideoInput, problems: list[str]) -> VideoInput:
    """What was found. Raises `ManifestError` with these `problems` and those of the videos, where there are any."""
    problems = [*problems, *mixed_labels(found.videos), *duplicates(found.videos), *repeated(found.videos)]
    if not found.videos and not problems:
        problems = ["no video found there"]
    if problems:
        raise ManifestError(source, problems)
    return found


def _is_here(uri: str) -> bool:
    """Whether a URI leads to a file of this machine; one that leads nowhere is found out later."""
    try:
        return files.is_local(uri)
    except files.StorageError:
        return False


def looked_from(source: str, error: Exception) -> str:
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


def tars_with_versions(videos: Sequence[Video], policy: ReadPolicy, silent: Counter[str] | None = None) -> list[Video]:
    """The videos, and of the tars among them the versions."""
    tars = [video for video in videos if is_tar(video.uri)]
    known = dict(zip(tars, with_versions(tars, policy, silent), strict=True)) if tars else {}
    return [known.get(video, video) for video in videos] if known else list(videos)


def with_versions(
    videos: Sequence[Video], policy: ReadPolicy = STRICT, silent: Counter[str] | None = None
) -> list[Video]:
    """The videos with their versions, which a manifest lacks and the store is asked for (`storage.versions`)."""
    found = versions_of((video.uri for video in videos if not video.version), policy, silent=silent)
    if not found:
        return list(videos)
    return [replace(video, version=video.version or found.get(video.uri, "")) for video in videos]
