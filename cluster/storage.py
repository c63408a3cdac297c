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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from uuid import uuid4

import fsspec

from extractors.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError

# What a scheme needs beside fsspec; empty where nothing.
SCHEMES = {"file": "", "gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3", "http": "", "https": ""}
READ_AHEAD_BYTES = 4 << 20
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
    if scheme not in SCHEMES or "::" in uri:
        raise StorageError(f"{uri!r}: only these schemes are read: {', '.join(SCHEMES)} (and none inside another)")
    return scheme


def has_scheme(uri: str) -> bool:
    """Whether `uri` is a URI and not a plain path."""
    return _SCHEME.match(uri) is not None


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of `uri` and the path within it; names the extra to install where a library is missing."""
    scheme = scheme_of(uri)
    try:
        fs, path = fsspec.core.url_to_fs(uri if scheme != "file" else _local_path(uri))
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
        if is_local(uri):
            yield _local_path(uri)
            return
        fs, path = filesystem(uri)
        with _translated(), fs.open(path, "rb", block_size=READ_AHEAD_BYTES, cache_type="readahead") as file:
            watched = WatchedFile(file)
            try:
                yield cast(IO[bytes], watched)
            except VideoError as error:
                if watched.trouble is None:
                    raise
                raise watched.trouble from error  # the decoder saw only a file that ended
            if watched.trouble is not None:
                raise watched.trouble
    except StorageError as error:
        raise VideoError(FailureCode.MISSING, str(error), Stage.READ) from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except VideoError:
        raise
    except FileNotFoundError as error:
        raise VideoError(FailureCode.MISSING, "there is no such object", Stage.READ) from error
    except PermissionError as error:
        raise VideoError(FailureCode.NO_PERMISSION, "permission to read it is denied", Stage.READ) from error
    except Exception as error:
        # Every store's library has its own exceptions for trouble on the way; all of it may pass.
        raise VideoError(
            FailureCode.STORAGE, f"reading it failed: {type(error).__name__}: {error}", Stage.READ
        ) from error


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
    data: bytes = fs.cat_file(path)
    return data


def exists(uri: str) -> bool:
    """Whether there is anything at `uri`."""
    fs, path = filesystem(uri)
    return bool(fs.exists(path))


def write_bytes(uri: str, data: bytes) -> None:
    """Make `data` the content of `uri` in one step: nobody ever sees a part of it."""
    fs, path = filesystem(uri)
    if not is_local(uri):
        fs.pipe_file(path, data)  # object stores show an object only once it is complete
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def delete(uri: str) -> None:
    """Remove a file."""
    fs, path = filesystem(uri)
    fs.rm_file(path)


def list_files(uri: str) -> Iterator[StoredFile]:
    """All files below a folder or prefix, or those that a glob matches, in the order of their names."""
    fs, path = filesystem(uri)
    if any(sign in path for sign in "*?["):
        found = fs.glob(path, detail=True)
    else:
        found = fs.find(path, detail=True)
    for name in sorted(found):
        info = found[name]
        if info.get("type") == "file" and not posixpath.basename(name).startswith("."):
            full = name if is_local(uri) else fs.unstrip_protocol(name)
            yield StoredFile(full, int(info.get("size") or 0), version_of(info))


def version_of(info: dict[str, Any]) -> str:
    """What of a file's listing changes when its bytes do."""
    for key in ("etag", "ETag", "md5Hash", "crc32c", "generation"):
        if info.get(key):
            return f"{key.lower()}:{str(info[key]).strip(chr(34))}"
    return f"{info.get('size', 0)}@{info.get('mtime', '')}"


def _local_path(uri: str) -> str:
    path = uri[len("file://") :] if uri.lower().startswith("file://") else uri
    return os.path.abspath(os.path.expanduser(path))
