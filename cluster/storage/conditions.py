"""Writes to a bucket that succeed only if nobody else has written meanwhile.

In: the URI of an object and the version that was read, or none for an object that must be new. Out: the new version,
or an error that says that the object is another by now. Each of them is one request, which the store carries out as a
whole or not at all: https://cloud.google.com/storage/docs/request-preconditions,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html.

Some stores that speak the language of S3 ignore conditions, others refuse such requests: `are_kept` finds out.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import Any

from typing_extensions import override

from cluster.storage.files import (
    SCHEMES,
    StorageError,
    UnsupportedError,
    call_store,
    check_writable,
    filesystem,
    scheme_of,
)


class ChangedError(StorageError):
    """An object that somebody else has written or removed meanwhile."""


class ConditionalStore(ABC):
    """The requests of one kind of store. `path` is fsspec's; a refusal is what `call_store` makes of status 412."""

    other_version: str  # a version that no object has

    @abstractmethod
    def read(self, fs: Any, path: str) -> tuple[bytes, str]:
        """Content and version of an object."""

    @abstractmethod
    def replace(self, fs: Any, path: str, data: bytes, version: str) -> str:
        """Replace an object of this version."""

    @abstractmethod
    def remove(self, fs: Any, path: str, version: str, emptied: bytes) -> None:
        """Remove an object of this version, or replace it by `emptied`."""

    def create(self, fs: Any, path: str, data: bytes) -> str:
        """Write a new object. The version of a large one may be unknown: empty."""
        written = fs.pipe_file(path, data, mode="create")
        found = written.get("generation") or written.get("ETag") if isinstance(written, dict) else ""
        return str(found or "")


class _Gcs(ConditionalStore):
    other_version = "1"

    @override
    def read(self, fs: Any, path: str) -> tuple[bytes, str]:
        headers, content = fs.call("GET", fs.url(path))
        if "X-Goog-Generation" not in headers:
            raise UnsupportedError(f"{path}: this store tells no versions of objects")
        return content, headers["X-Goog-Generation"]

    @override
    def replace(self, fs: Any, path: str, data: bytes, version: str) -> str:
        bucket, key, _ = fs.split_path(path)
        written = fs.call(
            "POST",
            f"{fs._location}/upload/storage/v1/b/{{}}/o",
            bucket,
            uploadType="media",
            name=key,
            ifGenerationMatch=version,
            headers={"Content-Type": "application/octet-stream"},
            data=data,
            json_out=True,
        )
        return str(written["generation"])

    @override
    def remove(self, fs: Any, path: str, version: str, emptied: bytes) -> None:
        bucket, key, _ = fs.split_path(path)
        fs.call("DELETE", "b/{}/o/{}", bucket, key, ifGenerationMatch=version)


class _S3(ConditionalStore):
    other_version = f'"{"0" * 32}"'

    @override
    def read(self, fs: Any, path: str) -> tuple[bytes, str]:
        bucket, key, _ = fs.split_path(path)

        async def read() -> tuple[bytes, str]:
            found = await fs._call_s3("get_object", Bucket=bucket, Key=key)
            async with found["Body"] as body:
                return await body.read(), found["ETag"]

        from fsspec.asyn import sync

        content: tuple[bytes, str] = sync(fs.loop, read)
        return content

    @override
    def replace(self, fs: Any, path: str, data: bytes, version: str) -> str:
        bucket, key, _ = fs.split_path(path)
        return str(fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, IfMatch=version)["ETag"])

    @override
    def remove(self, fs: Any, path: str, version: str, emptied: bytes) -> None:
        version = self.replace(fs, path, emptied, version)  # many stores do not look at the version of what they remove
        bucket, key, _ = fs.split_path(path)
        with contextlib.suppress(OSError):  # nobody misses what is empty
            fs.call_s3("delete_object", Bucket=bucket, Key=key, IfMatch=version)


STORES: dict[str, ConditionalStore] = {"gcs": _Gcs(), "s3": _S3()}  # by `SCHEMES`


def read(uri: str) -> tuple[bytes, str]:
    """Content and version of an object."""
    fs, path = filesystem(uri)
    return call_store(uri, lambda: _store(uri).read(fs, path))


def write(uri: str, data: bytes, version: str) -> str:
    """Write an object that was read as `version`, or a new one where that is empty; returns the new version.

    The version of a large new object may be unknown: empty. Raises `ChangedError` where it is another object by now, or
    gone.
    """
    fs, path = filesystem(uri)
    check_writable(uri)
    store = _store(uri)
    try:
        if version:
            return call_store(uri, lambda: store.replace(fs, path, data, version))
        return call_store(uri, lambda: store.create(fs, path, data))
    except (FileExistsError, FileNotFoundError) as error:
        return _version_if_ours(uri, data, error)


def remove(uri: str, version: str, emptied: bytes) -> None:
    """Remove an object that was read as `version`, or replace it by `emptied`. Raises as `write` does."""
    fs, path = filesystem(uri)
    try:
        call_store(uri, lambda: _store(uri).remove(fs, path, version, emptied))
    except FileNotFoundError:
        return  # an earlier attempt may have removed it although its response was lost
    except FileExistsError as error:
        _version_if_ours(uri, emptied, error)


def are_kept(uri: str, data: bytes) -> bool:
    """Whether the store keeps conditions, tried on an object that holds `data`: it should refuse to write it again."""
    fs, path = filesystem(uri)
    store = _store(uri)
    attempts = (lambda: store.create(fs, path, data), lambda: store.replace(fs, path, data, store.other_version))
    for attempt in attempts:
        try:
            call_store(uri, attempt)
        except (FileExistsError, FileNotFoundError):
            continue
        return False
    return True


def _store(uri: str) -> ConditionalStore:
    scheme = scheme_of(uri)
    if SCHEMES[scheme] not in STORES:
        raise UnsupportedError(f"{scheme}:// has no conditional requests here")
    return STORES[SCHEMES[scheme]]


def _version_if_ours(uri: str, data: bytes, refusal: OSError) -> str:
    """The version of an object that an earlier attempt has written, though its response was lost."""
    with contextlib.suppress(FileNotFoundError):
        found, version = read(uri)
        if found == data:
            return version
    raise ChangedError(f"{uri} was changed meanwhile by another program") from refusal
