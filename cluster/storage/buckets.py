"""The objects of a bucket, page by page, through the stores' own listing calls.

In: a URI and a prefix. Out: pages of `StoredFile`, in the order of the objects' names. fsspec's listings are not used:
they hold the description of every object in memory before they return the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.storage.files import SCHEMES, STALL_SECONDS, call_store, filesystem, scheme_of

PAGE_OBJECTS = 1000
# Descriptions of objects, what follows the prefix up to a delimiter, and the token of the next page.
Page = tuple[list[dict[str, Any]], list[str], str]


def is_bucket(uri: str) -> bool:
    """Whether `uri` is in a store that this module can list."""
    return SCHEMES[scheme_of(uri)] in _LIST_CALLS


def key_of(uri: str) -> str:
    """The name of the object `uri` in its bucket."""
    _, path = filesystem(uri)
    return path.partition("/")[2]


def object_bytes(fs: Any, path: str) -> int | None:
    """The size of one file, by one request; gcsfs' own description of an object takes three. Some servers tell none."""
    if "gs" not in fs.protocol:
        size = fs.info(path, timeout=STALL_SECONDS)["size"]
        return None if size is None else int(size)
    bucket, _, name = path.partition("/")
    return int(fs.call("GET", "b/{}/o/{}", bucket, name, json_out=True, fields="size")["size"])


def object_pages(uri: str, prefix: str, *, is_flat: bool = False, first: str = "") -> Iterator[list[StoredFile]]:
    """Pages of the objects in the bucket of `uri` whose names start with `prefix`.

    is_flat  only those without a slash after the prefix
    first    the name to start at; a few objects before it may come too
    """
    token = ""
    while True:
        found, _, token = _page(uri, prefix, "/" if is_flat else "", first, token)
        yield found
        if not token:
            return


def prefixes_below(uri: str, prefix: str) -> list[str]:
    """The prefixes of the folders below `prefix`; none unless one page holds them, and nothing else is there."""
    found, folders, token = _page(uri, prefix, "/", "", "")
    return [] if found or token else folders


def _page(uri: str, prefix: str, delimiter: str, first: str, token: str) -> tuple[list[StoredFile], list[str], str]:
    fs, path = filesystem(uri)
    bucket = path.partition("/")[0]
    list_page = _LIST_CALLS[SCHEMES[scheme_of(uri)]]
    infos, folders, token = call_store(uri, partial(list_page, fs, bucket, prefix, delimiter, first, token))
    files = [
        StoredFile(fs.unstrip_protocol(f"{bucket}/{info['name']}"), int(info.get("size", 0)), version_of(info))
        for info in infos
        if not info["name"].endswith("/")  # a placeholder that some programs write for a folder
    ]
    return files, folders, token


def _list_gcs(fs: Any, bucket: str, prefix: str, delimiter: str, first: str, token: str) -> Page:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list."""
    parameters = {"prefix": prefix, "delimiter": delimiter, "startOffset": first, "pageToken": token}
    page = fs.call(
        "GET",
        "b/{}/o",
        bucket,
        json_out=True,
        maxResults=PAGE_OBJECTS,
        fields="items(name,size,etag),prefixes,nextPageToken",
        **{key: value for key, value in parameters.items() if value},
    )
    return page.get("items", []), page.get("prefixes", []), page.get("nextPageToken", "")


def _list_s3(fs: Any, bucket: str, prefix: str, delimiter: str, first: str, token: str) -> Page:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html."""
    # `StartAfter` is exclusive.
    parameters = {"Delimiter": delimiter, "StartAfter": first[:-1], "ContinuationToken": token}
    page = fs.call_s3(
        "list_objects_v2",
        Bucket=bucket,
        Prefix=prefix,
        MaxKeys=PAGE_OBJECTS,
        **{key: value for key, value in parameters.items() if value},
    )
    objects = page.get("Contents", [])
    infos = [{"name": item["Key"], "size": item["Size"], "ETag": item.get("ETag")} for item in objects]
    folders = [folder["Prefix"] for folder in page.get("CommonPrefixes", [])]
    return infos, folders, page.get("NextContinuationToken", "")


_LIST_CALLS: dict[str, Callable[[Any, str, str, str, str, str], Page]] = {"gcs": _list_gcs, "s3": _list_s3}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a listing. `version` changes when the bytes do; it is empty where the store gives none."""

    uri: str
    size_bytes: int
    version: str


def version_of(info: Mapping[str, Any]) -> str:
    """The version of a file by its store's description: an etag or a checksum, else size and modification time."""
    for key in ("etag", "ETag", "md5Hash", "crc32c", "generation"):
        if info.get(key):
            return f"{key.lower()}:{str(info[key]).strip(chr(34))}"
    modified = info.get("mtime") or info.get("Last-Modified")
    return f"{info.get('size') or 0}@{modified}" if modified else ""
