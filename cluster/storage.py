"""Reading and writing by URI: local paths and object stores alike, through fsspec.

A video on a local disk is handed to the decoder as a path; one in a bucket as a file object that reads ahead. Writing
is atomic: a file that can be seen is whole. URIs come from manifests and are not trusted: a scheme that is not in the
table below, or one that wraps another (`zip://…::http://…`), is refused.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from uuid import uuid4

import fsspec

from cluster.redaction import redacted
from extractors.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError

# What a scheme needs beside fsspec; empty where nothing.
SCHEMES = {"file": "", "gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3", "http": "", "https": ""}
READ_AHEAD_BYTES = 4 << 20
GLOB_SIGNS = "*?["
MESSAGE_CHARACTERS = 500
TEMPORARY_SUFFIX = ".framemill-tmp"
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


class StorageError(Exception):
    """A URI that cannot be used at all; the message says what to do."""


@dataclass(frozen=True)
class StoredFile:
    """One file of a listing. `version` changes when the bytes do: an etag, a checksum, or size and time."""

    uri: str
    size_bytes: int
    version: str


def scheme_of(uri: str) -> str:
    """The scheme of `uri` in lower case; `file` for a plain path. Raises `StorageError` for one that is not known."""
    match = _SCHEME.match(uri)
    scheme = match.group(1).lower() if match else "file"
    shown = repr(redacted(uri)[:MESSAGE_CHARACTERS])
    is_chained = "::" in uri and (scheme != "file" or "://" in uri.partition("::")[2])
    if scheme not in SCHEMES or is_chained:
        raise StorageError(f"{shown}: only these schemes are read: {', '.join(SCHEMES)} (and none inside another)")
    if match and scheme != "file" and not uri[match.end() :].strip("/"):
        raise StorageError(f"{shown}: a bucket or host is missing after {match.group()}")
    return scheme


def has_scheme(uri: str) -> bool:
    """Whether `uri` is a URI and not a plain path."""
    return _SCHEME.match(uri) is not None


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of `uri` and the path within it; names the extra to install where a library is missing."""
    scheme = scheme_of(uri)
    try:
        if scheme == "file":
            return fsspec.filesystem("file"), _local_path(uri)
        with _stated(uri):
            fs, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        raise StorageError(f"{scheme}:// needs another library: pip install 'framemill[{SCHEMES[scheme]}]'") from error
    return fs, path


def is_local(uri: str) -> bool:
    """Whether `uri` is a path on this machine."""
    return scheme_of(uri) == "file"


def join(root: str, *parts: str) -> str:
    """`root/part/part`, for paths and URIs."""
    return posixpath.join(root.rstrip("/") or "/", *parts)


@contextmanager
def open_video(uri: str) -> Iterator[Source]:
    """The video at `uri`, as the decoder wants it; storage trouble becomes a `VideoError`."""
    try:
        scheme = scheme_of(uri)
        fs, path = filesystem(uri)
    except StorageError as error:
        raise VideoError(FailureCode.MISSING, str(error), Stage.READ) from error
    if scheme == "file":
        yield path
        return
    try:
        file = fs.open(path, "rb", block_size=READ_AHEAD_BYTES, cache_type="readahead")
    except Exception as error:
        raise _as_video_error(error, scheme) from error
    with file, _seekable(file, scheme) as seekable:
        watched = WatchedFile(seekable)
        try:
            yield cast(IO[bytes], watched)
        except Exception as error:
            if watched.trouble is None:
                raise
            raise _as_video_error(watched.trouble, scheme) from error  # the decoder saw only a file that ended
        if watched.trouble is not None:
            raise _as_video_error(watched.trouble, scheme)


@contextmanager
def _seekable(file: Any, scheme: str) -> Iterator[Any]:
    """`file`, or a copy on this machine's disk where the server cannot serve parts of it."""
    if file.size == 0:
        raise VideoError(FailureCode.EMPTY, "the object is empty", Stage.READ)
    if file.size is not None:
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        try:
            shutil.copyfileobj(file, copy, READ_AHEAD_BYTES)
        except Exception as error:
            raise _as_video_error(error, scheme) from error
        if not copy.tell():
            raise VideoError(FailureCode.EMPTY, "the object is empty", Stage.READ)
        copy.seek(0)
        yield copy


def _as_video_error(error: Exception, scheme: str) -> VideoError:
    """What a store's library raised, as one of our codes; whatever it does not tell may pass and is tried again."""
    # The http store reports all that goes wrong on opening as a missing file, and keeps the reason as the cause.
    is_wrapped = scheme.startswith("http") and isinstance(error, FileNotFoundError) and error.__cause__ is not None
    cause: BaseException = error.__cause__ if is_wrapped and error.__cause__ is not None else error
    status = getattr(cause, "status", None) or getattr(cause, "code", None)
    if status in (404, 410) or isinstance(cause, FileNotFoundError):
        return VideoError(FailureCode.MISSING, "there is no such object", Stage.READ)
    if status in (401, 403) or isinstance(cause, PermissionError) or str(cause).startswith("Forbidden"):
        return VideoError(FailureCode.NO_PERMISSION, "permission to read it is denied", Stage.READ)
    detail = redacted(f"{type(cause).__name__}: {cause}")[:MESSAGE_CHARACTERS]
    if is_wrapped and isinstance(cause, ValueError):
        return VideoError(FailureCode.MISSING, f"its address cannot be used: {detail}", Stage.READ)
    return VideoError(FailureCode.STORAGE, f"reading it failed: {detail}", Stage.READ)


@contextmanager
def _stated(uri: str) -> Iterator[None]:
    """Every store's library has exceptions of its own; those that are no `OSError` become `StorageError`."""
    try:
        yield
    except (OSError, ImportError, StorageError):
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]
        raise StorageError(f"{redacted(uri)}: {redacted(detail)}") from error


class WatchedFile(io.RawIOBase):
    """A remote file that remembers trouble: libav takes an error while reading for the end of the file."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file
        self.trouble: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        try:
            data: bytes = self._file.read(size)
        except Exception as error:
            self.trouble = error
            raise
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; returns where that is."""
        place: int = self._file.seek(offset, whence)
        return place

    def tell(self) -> int:
        """Where the next read starts."""
        place: int = self._file.tell()
        return place

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True


def read_bytes(uri: str) -> bytes:
    """The whole content of a small file."""
    fs, path = filesystem(uri)
    with _stated(uri):
        data: bytes = fs.cat_file(path)
    return data


def exists(uri: str) -> bool:
    """Whether there is anything at `uri`."""
    fs, path = filesystem(uri)
    with _stated(uri):
        return bool(fs.exists(path))


def write_bytes(uri: str, data: bytes) -> None:
    """Make `data` the content of `uri` in one step: nobody ever sees a part of it."""
    fs, path = filesystem(uri)
    if not is_local(uri):
        with _stated(uri):
            fs.pipe_file(path, data)  # object stores show an object only once it is complete
        return
    with _beside(Path(path), data) as temporary:
        os.replace(temporary, path)


@contextmanager
def _beside(target: Path, data: bytes) -> Iterator[Path]:
    """A hidden file that holds `data`, on the disk of `target`; gone afterwards, unless it was moved."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def create_bytes(uri: str, data: bytes) -> bool:
    """Make a new file at `uri` in one step; False where there is one already (some stores do not look)."""
    fs, path = filesystem(uri)
    if not is_local(uri):
        try:
            with _stated(uri):
                fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        return True
    with _beside(Path(path), data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            return _create_openly(Path(path), data)
    return True


def _create_openly(path: Path, data: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def sweep_temporaries(folder: str) -> None:
    """Remove what writers that were killed have left in `folder`. Object stores keep no such thing."""
    if is_local(folder):
        for path in Path(filesystem(folder)[1]).glob(f".*{TEMPORARY_SUFFIX}"):
            path.unlink(missing_ok=True)


def delete(uri: str) -> None:
    """Remove a file."""
    fs, path = filesystem(uri)
    with _stated(uri):
        fs.rm_file(path)


def delete_folder(uri: str) -> None:
    """Remove a folder and all that is in it."""
    fs, path = filesystem(uri)
    fs.rm(path, recursive=True)


def list_files(uri: str) -> Iterator[StoredFile]:
    """All files below a folder or prefix, or those that a glob matches, in the order of their names."""
    fs, path = filesystem(uri)
    with _stated(uri):
        if not path.endswith("/") and fs.isfile(path):
            found = {path: fs.info(path)}
        elif is_glob(uri):
            found = fs.glob(path, detail=True)
        else:
            # A local folder that cannot be read is an error: its videos would be missing without a word.
            found = fs.find(path, detail=True, **({"on_error": "raise"} if is_local(uri) else {}))
    for name in sorted(found):
        info = found[name]
        is_file = info.get("type") == "file" or (info.get("islink") and os.path.isfile(name))
        if is_file and not posixpath.basename(name).startswith("."):
            full = name if is_local(uri) else fs.unstrip_protocol(name)
            yield StoredFile(full, int(info.get("size") or 0), version_of(info))


def is_glob(uri: str) -> bool:
    """Whether `uri` is a pattern, and not the name of something that is there (`talks [2024]/`)."""
    _, path = filesystem(uri)
    return any(sign in path for sign in GLOB_SIGNS) and not exists(uri)


def version_of(info: dict[str, Any]) -> str:
    """What of a file's listing changes when its bytes do."""
    for key in ("etag", "ETag", "md5Hash", "crc32c", "generation"):
        if info.get(key):
            return f"{key.lower()}:{str(info[key]).strip(chr(34))}"
    return f"{info.get('size', 0)}@{info.get('mtime', '')}"


def _local_path(uri: str) -> str:
    path = uri[len("file://") :] if uri.lower().startswith("file://") else uri
    return os.path.abspath(os.path.expanduser(path))
