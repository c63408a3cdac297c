"""Reading and writing by URI: local paths and object stores alike, through fsspec.

Writing is atomic: a file that can be seen is whole. What a store does wrong in passing (an outage, too many requests, a
connection that breaks) is waited out for `PATIENCE`; what lasts is told at once. URIs come from manifests and are not
trusted: a scheme that is not in the table below, or one that wraps another (`zip://…::http://…`), is refused.

The stores' own settings count: STORAGE_EMULATOR_HOST for gs://, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_PROFILE and
the like for s3://.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aiohttp
import fsspec

from cluster.storage import files, local_files
from cluster.storage.redaction import redacted
from cluster.storage.retry import RetryPolicy
from cluster.storage.store_errors import MESSAGE_CHARACTERS, StoreFailure, describe, store_failure_of

# What a scheme needs beside fsspec; empty where nothing.
SCHEMES = {"file": "", "gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3", "http": "", "https": ""}
PATIENCE = RetryPolicy(total_seconds=180.0)
STALL_SECONDS = 60.0  # without a byte
# Holding every listing that was ever asked for would take gigabytes, and show what is no longer there.
OPTIONS: dict[str, Any] = {"use_listings_cache": False}
# The limit of 300 s that aiohttp sets to a whole request would cut large files short.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=STALL_SECONDS, sock_read=STALL_SECONDS)
STORE_OPTIONS: dict[str, dict[str, Any]] = {
    "": {"client_kwargs": {"timeout": _TIMEOUT}},
    "gcs": {"requests_timeout": _TIMEOUT},
    "s3": {"config_kwargs": {"connect_timeout": STALL_SECONDS, "read_timeout": STALL_SECONDS}},
}
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
T = TypeVar("T")


class StorageError(Exception):
    """A URI that cannot be used, or a store that refuses or has not answered for long; the message says which."""


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


def is_local(uri: str) -> bool:
    """Whether `uri` is a path on this machine."""
    return scheme_of(uri) == "file"


def join(root: str, *parts: str) -> str:
    """`root/part/part`, for paths and URIs."""
    return posixpath.join(root.rstrip("/") or "/", *parts)


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of `uri` and the path within it; names the extra to install where a library is missing."""
    scheme = scheme_of(uri)
    if scheme == "file":
        return fsspec.filesystem("file"), local_path(uri)
    extra = SCHEMES[scheme]
    try:
        fs, path = answer(uri, lambda: fsspec.core.url_to_fs(uri, **OPTIONS, **STORE_OPTIONS[extra]))
    except ImportError as error:
        raise StorageError(f"{scheme}:// needs another library: pip install 'framemill[{extra}]'") from error
    return fs, path


def local_path(uri: str) -> str:
    """The absolute path of a local `uri`."""
    path = uri[len("file://") :] if uri.lower().startswith("file://") else uri
    return os.path.abspath(os.path.expanduser(path))


def answer(uri: str, call: Callable[[], T], patience: RetryPolicy | None = None) -> T:
    """What a store answers to `call`, which may be made several times.

    Raises `FileNotFoundError`, `FileExistsError`, or `StorageError` for everything else, without secrets.
    """
    try:
        return (patience or PATIENCE).call(redacted(uri), call)
    except (ImportError, StorageError):
        raise
    except Exception as error:
        message = f"{redacted(uri)}: {describe(error)}"
        kinds = {StoreFailure.MISSING: FileNotFoundError, StoreFailure.EXISTS: FileExistsError}
        raise kinds.get(store_failure_of(error), StorageError)(message) from error


def read_bytes(uri: str) -> bytes:
    """The whole content of a small file."""
    fs, path = filesystem(uri)
    if is_local(uri):
        return Path(path).read_bytes()
    data: bytes = answer(uri, lambda: fs.cat_file(path))
    return data


def exists(uri: str) -> bool:
    """Whether there is anything at `uri`."""
    fs, path = filesystem(uri)
    if is_local(uri):
        return os.path.exists(path)
    try:
        answer(uri, lambda: fs.info(path))  # and not `exists`, which takes trouble for a no
    except FileNotFoundError:
        return False
    return True


def check_writable(uri: str) -> None:
    """Raise `StorageError` for a URI of a kind that nothing can be written to."""
    if scheme_of(uri) in ("http", "https"):
        raise StorageError(f"{redacted(uri)} cannot be written to: give a local path, gs:// or s3://")


def write_bytes(uri: str, data: bytes | memoryview) -> None:
    """Make `data` the content of `uri` in one step: nobody ever sees a part of it."""
    fs, path = filesystem(uri)
    if is_local(uri):
        local_files.write_file(Path(path), data)
    else:  # object stores show an object only once it is complete
        check_writable(uri)
        answer(uri, lambda: fs.pipe_file(path, bytes(data)))


def create_bytes(uri: str, data: bytes) -> bool:
    """Make a new file at `uri` in one step; False where there is another one already (some stores do not look)."""
    fs, path = filesystem(uri)
    if is_local(uri):
        return local_files.create_file(Path(path), data)
    check_writable(uri)
    try:
        answer(uri, lambda: fs.pipe_file(path, data, mode="create"))
    except FileExistsError:
        # A first attempt may have succeeded without our being told.
        return exists(uri) and read_bytes(uri) == data
    return True


def sweep_temporaries(folder: str) -> None:
    """Remove what writers that were killed have left in `folder`. Object stores keep no such thing."""
    if is_local(folder):
        local_files.sweep_temporaries(Path(local_path(folder)))


def delete(uri: str) -> None:
    """Remove a file; an object that is not there counts as removed."""
    fs, path = filesystem(uri)
    if is_local(uri):
        os.unlink(path)
    else:
        _remove(uri, lambda: fs.rm_file(path))


def delete_folder(uri: str) -> None:
    """Remove a folder and all that is in it."""
    fs, path = filesystem(uri)
    if is_local(uri):
        shutil.rmtree(path)
    else:
        _remove(uri, lambda: fs.rm(path, recursive=True))


def _remove(uri: str, call: Callable[[], object]) -> None:
    # Whoever asks a second time, because the first answer was lost, finds nothing.
    with contextlib.suppress(FileNotFoundError):
        answer(uri, call)


@contextmanager
def on_disk(uri: str) -> Iterator[str]:
    """The path of a file on this machine's disk; one in a bucket is fetched, and gone afterwards."""
    if files.is_local(uri):
        yield files.local_path(uri)
        return
    fs, path = files.filesystem(uri)
    with TemporaryDirectory(prefix="framemill-") as folder:
        copy = files.join(folder, "features")
        files.answer(uri, lambda: fs.get_file(path, copy))
        yield copy
