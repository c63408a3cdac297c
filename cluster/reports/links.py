"""Links of pages: to other pages, and to videos.

In: a URI from a record, which is not trusted, and the URI of the page that shows it. Out: what goes into `href`, or
None where the URI is to stay text. Only http, https and file links come out of it, and relative ones, which begin with
`.`: no scheme that runs a script, and no address with a secret or with a mark where one was removed.

- A page links to another page on the same disk or in the same bucket by the relative path, so that the links hold
  wherever the folders are copied together.
- A video on the page's disk likewise, unless the two share nothing but the root: then by `file://`.
- gs:// is an address of Google's authenticated downloads, which a browser plays. s3:// has no such address.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from cluster.storage.redaction import MASK, redacted_uri

GOOGLE_DOWNLOADS = "https://storage.cloud.google.com"
STORES = {"gs": "gs", "gcs": "gs", "s3": "s3", "s3a": "s3"}  # by scheme
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
_KEPT = "/%:@!$&'()*+,;=~?#[]"  # of an http address, which is quoted already


@dataclass(frozen=True)
class PageLink:
    """Another page, by its title and URI."""

    title: str
    uri: str


def page_href(target: str, page: str) -> str | None:
    """A link from the page at `page` to the one at `target`."""
    here, there = _place(page), _place(target)
    if here is not None and there is not None and here[0] == there[0] and _is_shown(target):
        return _relative(there[1], here[1])
    return video_href(target, page)


def video_href(uri: str, page: str) -> str | None:
    """A link from the page at `page` to the video at `uri`."""
    if not _is_shown(uri):
        return None
    if _scheme(uri) in ("http", "https"):
        return _web_href(uri)
    place, here = _place(uri), _place(page)
    if place is None:
        return None
    store, path = place
    if store.startswith("gs://"):
        return f"{GOOGLE_DOWNLOADS}/{_quoted(store.removeprefix('gs://') + path)}"
    if store != "file" or here is None or here[0] != store:
        return None
    if os.path.commonpath([os.path.dirname(here[1]), path]) == "/":
        return f"file://{_quoted(path)}"
    return _relative(path, here[1])


def _is_shown(uri: str) -> bool:
    """Whether it is an address that says everything, has no secret, and can be written as bytes."""
    try:
        uri.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return bool(uri) and "\0" not in uri and MASK not in uri and redacted_uri(uri) == uri


def _web_href(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        is_plain = bool(parts.hostname) and parts.username is None and parts.password is None
    except ValueError:
        return None
    return _quoted(uri, _KEPT) if is_plain else None


def _place(uri: str) -> tuple[str, str] | None:
    """Store and absolute path of a file on disk or in a bucket; None for everything else."""
    scheme = _scheme(uri)
    if uri and scheme == "file":
        path = uri[len("file://") :] if uri.lower().startswith("file://") else uri
        return "file", os.path.abspath(os.path.expanduser(path))
    bucket, _, key = uri.partition("://")[2].partition("/")
    return (f"{STORES[scheme]}://{bucket}", f"/{key}") if scheme in STORES and bucket and key else None


def _scheme(uri: str) -> str:
    """The scheme in lower case: `file` for a path, whatever stands before a colon for everything else."""
    found = _SCHEME.match(uri)
    return found.group(1).lower() if found else "file"


def _relative(path: str, page: str) -> str:
    found = posixpath.relpath(path, posixpath.dirname(page))
    return _quoted(found if found.startswith("../") else f"./{found}")


def _quoted(text: str, kept: str = "/") -> str:
    return quote(text, safe=kept, errors="surrogateescape")
