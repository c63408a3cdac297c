"""Reading and writing by URI: local paths, and object stores through fsspec, which is imported for these alone.

Writing is atomic: a file that is visible is complete. Transient failures of a store (an outage, rate limiting, a broken
connection) are retried by `RETRY_POLICY`; permanent ones are raised at once. URIs come from manifests and are not
trusted: a scheme that is not in `SCHEMES`, or one that wraps another (`zip://…::http://…`), is refused. `file:` URIs
are those of RFC 8089, of this machine: percent-encoded, with an empty host or localhost.

The stores' own settings apply: STORAGE_EMULATOR_HOST for gs://; AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_PROFILE and
others for s3://.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from cluster.storage import local_files
from cluster.storage.read_policy import STRICT, CopyLimitError, ReadPolicy
from cluster.storage.redaction import redacted_uri
from cluster.storage.retry import RetryPolicy
from cluster.storage.store_errors import MESSAGE_CHARACTERS, StoreFailure, describe, store_failure_of
from schemas.errors import InputError

# By scheme, the extra that it needs besides fsspec; empty for none.
SCHEMES = {"file": "", "gs": "gcs", "gcs": "gcs", "s3": "s3", "s3a": "s3", "http": "", "https": ""}
HTTP = ("http", "https")
HTTP_READ_BYTES = 1 << 30
RETRY_POLICY = RetryPolicy(total_seconds=180.0)
STALL_SECONDS = 60.0  # without a byte, after which a connection counts as broken
# fsspec's cache keeps every listing: gigabytes, and stale.
OPTIONS: dict[str, Any] = {"use_listings_cache": False}
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_FILE = re.compile(r"^file:(?:(?!//)|//(?P<host>[^/]*))(?=/)", re.IGNORECASE)
_QUERY = re.compile("[?#]")
_HERE = ("", "localhost")
T = TypeVar("T")


class StorageError(InputError):
    """An unusable URI, or a store that refused or did not answer in time; the message says which."""


class UnsupportedError(StorageError):
    """A store that lacks what was asked of it."""


def scheme_of(uri: str) -> str:
    """The scheme of `uri` in lower case; `file` for a plain path. Raises `StorageError` for an unknown one."""
    match = _SCHEME.match(uri)
    scheme = match.group(1).lower() if match else "file"
    is_chained = "::" in uri and (scheme != "file" or "://" in uri.partition("::")[2])
    if scheme not in SCHEMES or is_chained:
        raise StorageError(
            f"{_shown(uri)}: only these schemes are read: {', '.join(SCHEMES)} (and none inside another)"
        )
    if match and scheme != "file" and not uri[match.end() :].strip("/"):
        raise StorageError(f"{_shown(uri)}: a bucket or host is missing after {match.group()}")
    of_file = _FILE.match(uri)
    if scheme == "file" and match and not (of_file and of_file["host"].lower() in _HERE):
        raise StorageError(
            f"{_shown(uri)}: an absolute path follows file:// (file:///folder/name), or a path without file://"
        )
    if scheme in HTTP and not _has_port(uri):
        raise StorageError(
            f"{_shown(uri)}: what follows its host is no port; in a password, / ? # and @ are written %2F %3F %23 and "
            "%40"
        )
    return scheme


def _shown(uri: str) -> str:
    return repr(redacted_uri(uri)[:MESSAGE_CHARACTERS])


def _has_port(uri: str) -> bool:
    try:
        urlsplit(uri).port  # noqa: B018 - what is wrong with it shows when it is taken
    except ValueError:
        return False
    return True


def has_scheme(uri: str) -> bool:
    """Whether `uri` is a URI and not a plain path."""
    return (_SCHEME.match(uri) or _FILE.match(uri)) is not None


def is_local(uri: str) -> bool:
    """Whether `uri` is a path on this machine."""
    return scheme_of(uri) == "file"


def join(root: str, *parts: str) -> str:
    """`root/part/part`, for paths and URIs."""
    return posixpath.join(root.rstrip("/") or "/", *parts)


def folder_of(uri: str) -> str:
    """The folder of a file; of an http URI, whose query may hold slashes too, without query and fragment."""
    return posixpath.dirname(address_of(uri))


def address_of(uri: str) -> str:
    """`uri` without the query and the fragment of an http URI; in others `?` and `#` are parts of names."""
    return _QUERY.split(uri, maxsplit=1)[0] if uri.lower().startswith(("http://", "https://")) else uri


def filesystem(uri: str, policy: ReadPolicy = STRICT) -> tuple[Any, str]:
    """The fsspec file system of `uri` and the path within it; None for the file system of this machine.

    A missing library is an error that names the extra.
    """
    scheme = scheme_of(uri)
    if scheme == "file":
        return None, local_path(uri)
    from fsspec.core import url_to_fs

    extra = SCHEMES[scheme]
    try:
        fs, path = call_store(uri, lambda: url_to_fs(uri, **OPTIONS, **STORE_OPTIONS[extra](policy)))
    except ImportError as error:
        raise StorageError(f"{scheme}:// needs another library: pip install 'framemill[{extra}]'") from error
    return fs, path


def _http_options(policy: ReadPolicy) -> dict[str, Any]:
    from cluster.storage.http_client import client_of, patient

    return {"client_kwargs": {"timeout": patient(STALL_SECONDS)}, "get_client": client_of(policy)}


def _gcs_options(policy: ReadPolicy) -> dict[str, Any]:
    from cluster.storage.http_client import patient

    return {"requests_timeout": patient(STALL_SECONDS)}


def _s3_options(policy: ReadPolicy) -> dict[str, Any]:
    return {"config_kwargs": {"connect_timeout": STALL_SECONDS, "read_timeout": STALL_SECONDS}}


# Options of fsspec's file systems, by extra.
STORE_OPTIONS: dict[str, Callable[[ReadPolicy], dict[str, Any]]] = {
    "": _http_options,
    "gcs": _gcs_options,
    "s3": _s3_options,
}


def local_path(uri: str) -> str:
    """The absolute path of a local `uri`.

    A `file:` URI whose path is not percent-encoded, but exists as it is written, is accepted.
    """
    of_file = _FILE.match(uri)
    if of_file is None:
        return os.path.abspath(os.path.expanduser(uri))
    written = os.path.abspath(uri[of_file.end() :])
    decoded = os.path.abspath(os.fsdecode(unquote_to_bytes(os.fsencode(written))))
    return written if decoded != written and not os.path.lexists(decoded) and os.path.lexists(written) else decoded


def call_store(uri: str, call: Callable[[], T], retry_policy: RetryPolicy | None = None) -> T:
    """The result of `call`, a request to the store of `uri`; transient failures are retried.

    Raises `FileNotFoundError`, `FileExistsError`, or `StorageError` for everything else, without secrets.
    """
    try:
        return (retry_policy or RETRY_POLICY).call(redacted_uri(uri), call)
    except (ImportError, StorageError, CopyLimitError):
        raise
    except Exception as error:
        message = f"{redacted_uri(uri)}: {describe(error)}"
        kinds = {
            StoreFailure.MISSING: FileNotFoundError,
            StoreFailure.EXISTS: FileExistsError,
            StoreFailure.UNSUPPORTED: UnsupportedError,
        }
        raise kinds.get(store_failure_of(error), StorageError)(message) from error


def read_bytes(uri: str, policy: ReadPolicy = STRICT) -> bytes:
    """The content of a small file; an http server may send no more than `HTTP_READ_BYTES` of it."""
    fs, path = filesystem(uri, policy)
    if is_local(uri):
        return Path(path).read_bytes()
    if scheme_of(uri) in HTTP:
        return _read_http(uri, fs, path, min(HTTP_READ_BYTES, policy.copy_bytes), policy.copy_seconds)
    data: bytes = call_store(uri, lambda: fs.cat_file(path))
    return data


def read_at_most(uri: str, limit_bytes: int) -> bytes:
    """The content of a file that may be of any size. Raises `StorageError` for one of more than `limit_bytes`."""
    fs, path = filesystem(uri)
    if is_local(uri):
        with open(path, "rb") as file:
            data = file.read(limit_bytes + 1)
    elif scheme_of(uri) in HTTP:
        data = _read_http(uri, fs, path, limit_bytes, STRICT.copy_seconds)
    else:
        data = call_store(uri, lambda: fs.cat_file(path, start=0, end=limit_bytes + 1))
    if len(data) > limit_bytes:
        raise StorageError(f"{redacted_uri(uri)}: it has more than {limit_bytes:,} bytes, which is the limit")
    return data


def _read_http(uri: str, fs: Any, path: str, limit_bytes: int, limit_seconds: float) -> bytes:
    from cluster.storage.http_copy import copy_file

    content = io.BytesIO()
    try:
        call_store(uri, lambda: copy_file(fs, path, content, limit_bytes, limit_seconds))
    except CopyLimitError as error:
        raise StorageError(f"{redacted_uri(uri)}: {error}") from error
    return content.getvalue()


def exists(uri: str, policy: ReadPolicy = STRICT) -> bool:
    """Whether there is anything at `uri`."""
    fs, path = filesystem(uri, policy)
    if is_local(uri):
        return os.path.exists(path)
    try:
        # Not `fs.exists`, which answers False to a failed request.
        call_store(uri, lambda: fs.info(path, timeout=STALL_SECONDS))
    except FileNotFoundError:
        return False
    return True


def check_writable(uri: str) -> None:
    """Raise `StorageError` for a scheme that is read-only."""
    if scheme_of(uri) in HTTP:
        raise StorageError(f"{redacted_uri(uri)} cannot be written to: give a local path, gs:// or s3://")


def write_bytes(uri: str, data: bytes | memoryview) -> None:
    """Write `data` to `uri` atomically, replacing what is there."""
    fs, path = filesystem(uri)
    if is_local(uri):
        local_files.write_file(Path(path), data)
    else:  # object stores show an object only once it is complete
        check_writable(uri)
        call_store(uri, lambda: fs.pipe_file(path, bytes(data)))


def sweep_temporaries(folder: str) -> None:
    """Remove the temporary files of killed writers in `folder`. Object stores have none."""
    if is_local(folder):
        local_files.sweep_temporaries(Path(local_path(folder)))


def delete(uri: str) -> None:
    """Remove a file; an object that does not exist counts as removed."""
    fs, path = filesystem(uri)
    if is_local(uri):
        os.unlink(path)
    else:
        _remove(uri, lambda: fs.rm_file(path))


def delete_folder(uri: str) -> None:
    """Remove a folder and its content."""
    fs, path = filesystem(uri)
    if is_local(uri):
        shutil.rmtree(path)
    else:
        _remove(uri, lambda: fs.rm(path, recursive=True))


def _remove(uri: str, call: Callable[[], object]) -> None:
    # A retry after a lost response finds nothing to remove.
    with contextlib.suppress(FileNotFoundError):
        call_store(uri, call)


@contextmanager
def on_disk(uri: str) -> Iterator[str]:
    """The local path of a file; one in a bucket is downloaded for as long as the context lasts."""
    if is_local(uri):
        yield local_path(uri)
        return
    fs, path = filesystem(uri)
    with TemporaryDirectory(prefix="framemill-") as folder:
        copy = join(folder, "copy")
        call_store(uri, lambda: fs.get_file(path, copy))
        yield copy
