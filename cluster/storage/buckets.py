"""The objects of a bucket, page by page, through the listing calls of the stores themselves.

fsspec's listings hold all that is known of every object before they give the first. Pages come in the order of
the names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cluster.storage.files import SCHEMES, answer, filesystem, scheme_of

PAGE_OBJECTS = 1000
Page = tuple[list[dict[str, Any]], str]  # what the store says of each object, and what to ask for the next page with


def is_bucket(uri: str) -> bool:
    """Whether `uri` is in a store that this module can ask."""
    return SCHEMES[scheme_of(uri)] in _STORES


def key_of(uri: str) -> str:
    """The name of an object in its bucket."""
    _, path = filesystem(uri)
    return path.partition("/")[2]


def object_pages(uri: str, prefix: str, *, is_flat: bool = False, first: str = "") -> Iterator[list[StoredFile]]:
    """The objects of the bucket of `uri` whose names begin with `prefix`; `is_flat`: and have no slash after that.

    They begin at the name `first`, or somewhat before it.
    """
    fs, path = filesystem(uri)
    bucket = path.partition("/")[0]
    ask = _STORES[SCHEMES[scheme_of(uri)]]
    token = ""
    while True:
        infos, token = answer(uri, partial(ask, fs, bucket, prefix, "/" if is_flat else "", first, token))
        yield [
            StoredFile(fs.unstrip_protocol(f"{bucket}/{info['name']}"), int(info.get("size", 0)), version_of(info))
            for info in infos
            if not info["name"].endswith("/")  # what some programs leave to stand for a folder
        ]
        if not token:
            return


def _ask_gcs(fs: Any, bucket: str, prefix: str, delimiter: str, first: str, token: str) -> Page:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list."""
    wanted = {"prefix": prefix, "delimiter": delimiter, "startOffset": first, "pageToken": token}
    page = fs.call(
        "GET",
        "b/{}/o",
        bucket,
        json_out=True,
        maxResults=PAGE_OBJECTS,
        fields="items(name,size,etag),nextPageToken",
        **{key: value for key, value in wanted.items() if value},
    )
    return page.get("items", []), page.get("nextPageToken", "")


def _ask_s3(fs: Any, bucket: str, prefix: str, delimiter: str, first: str, token: str) -> Page:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html."""
    wanted = {"Delimiter": delimiter, "StartAfter": first[:-1], "ContinuationToken": token}  # it gives what comes after
    given = {key: value for key, value in wanted.items() if value}
    page = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=PAGE_OBJECTS, **given)
    objects = page.get("Contents", [])
    infos = [{"name": item["Key"], "size": item["Size"], "ETag": item.get("ETag")} for item in objects]
    return infos, page.get("NextContinuationToken", "")


_STORES: dict[str, Callable[[Any, str, str, str, str, str], Page]] = {"gcs": _ask_gcs, "s3": _ask_s3}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a listing. `version` changes when the bytes do; empty where nothing tells."""

    uri: str
    size_bytes: int
    version: str


def version_of(info: Mapping[str, Any]) -> str:
    """The version that a store's description of a file gives: an etag or a checksum, else size and time of change."""
    for key in ("etag", "ETag", "md5Hash", "crc32c", "generation"):
        if info.get(key):
            return f"{key.lower()}:{str(info[key]).strip(chr(34))}"
    changed = info.get("mtime") or info.get("Last-Modified")
    return f"{info.get('size') or 0}@{changed}" if changed else ""
