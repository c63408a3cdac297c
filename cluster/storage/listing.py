"""Listings of folders, bucket prefixes and globs, and the current versions of given files.

Files come in the order of their names, those in linked folders last. Memory holds no more than one page of a bucket, or
what `local_files.walk_files` says.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

from fsspec.utils import glob_translate

from cluster.storage.buckets import StoredFile, is_bucket, key_of, object_pages, version_of
from cluster.storage.exclusion import HIDDEN, Exclusion
from cluster.storage.files import StorageError, call_store, exists, filesystem, is_local
from cluster.storage.local_files import regular_file, walk_files
from cluster.storage.retry import RetryPolicy

GLOB_CHARACTERS = "*?["
MAX_REQUESTS = 32  # concurrent ones
REQUESTS_PER_PAGE = 8  # single requests that a page of a listing must save to be worth its own
SINGLE_RETRY_POLICY = RetryPolicy(total_seconds=15.0)  # there may be thousands of requests


def list_files(uri: str, exclusion: Exclusion = HIDDEN, *, unread: list[str] | None = None) -> Iterator[StoredFile]:
    """All files below a folder or prefix, or those that a glob matches, without those that `exclusion` leaves out.

    A link to a file that is not there, or cannot be reached, is listed without a version.

    unread  takes the paths of subfolders that cannot be read; without it they raise `OSError`
    """
    root, pattern = split_glob(uri)
    asks_for_hidden = any(part.startswith(".") for part in pattern.split("/"))
    leaves_out = partial(exclusion.leaves_out, with_hidden=asks_for_hidden)
    if is_local(uri):
        found = _on_disk(root, pattern, leaves_out, unread)
    else:
        found = _in_bucket(uri, pattern) if is_bucket(uri) else _linked_from_page(uri, pattern)
    for file in found:
        if file.uri == root or not leaves_out(below(root, file.uri)):
            yield file


def split_glob(uri: str) -> tuple[str, str]:
    """The folder, prefix or file that a listing of `uri` starts at, and the pattern below it, if there is one."""
    fs, path = filesystem(uri)
    root = posixpath.dirname(before_glob(path)) if is_glob(uri) else path
    return root if is_local(uri) else fs.unstrip_protocol(root), path[len(root) :].lstrip("/")


def below(root: str, uri: str) -> str:
    """The path of a listed file below the root of its listing."""
    return uri[len(root) :].lstrip("/") if uri.startswith(root) else posixpath.basename(uri)


def is_glob(uri: str) -> bool:
    """Whether `uri` is a pattern, and not the name of an existing file or folder (`talks [2024]/`)."""
    _, path = filesystem(uri)
    return any(character in path for character in GLOB_CHARACTERS) and not exists(uri)


def before_glob(path: str) -> str:
    """The part of a pattern before its first wildcard."""
    return path[: min((path.index(one) for one in GLOB_CHARACTERS if one in path), default=len(path))]


def versions_of(uris: Iterable[str]) -> dict[str, str]:
    """The current versions of many files, as listings give them; missing and unreachable ones are left out.

    Folders of a bucket that hold many of them are listed; the others are requested one by one, concurrently.
    """
    folders: dict[str, dict[str, str]] = defaultdict(dict)  # folder → name in it → URI
    versions: dict[str, str] = {}
    single: list[str] = []
    for uri in dict.fromkeys(uris):
        folder, _, name = uri.rpartition("/")
        try:
            if is_bucket(uri):
                folders[folder][name] = uri
            else:
                single.append(uri)
        except StorageError:
            continue
    for folder, names in folders.items():
        found = _versions_by_listing(folder, names)
        versions |= found
        single += [uri for uri in names.values() if uri not in found]
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        versions |= zip(single, pool.map(_single_version, single), strict=True)
    return {uri: version for uri, version in versions.items() if version}


def _on_disk(
    root: str, pattern: str, leaves_out: Callable[[str], bool], unread: list[str] | None
) -> Iterator[StoredFile]:
    found = None if pattern else regular_file(root)
    if found:
        yield StoredFile(root, found.st_size, _version_on_disk(found))
        return

    def enters(folder: str) -> bool:
        return not leaves_out(folder) and (not pattern or _leads_to(folder.split("/"), pattern.split("/")))

    is_match = _matcher(pattern or "**")
    for path in walk_files(root, enters, unread):
        if not is_match(below(root, path)):
            continue
        try:
            found = os.stat(path)
        except FileNotFoundError:
            if os.path.islink(path):  # and was not removed meanwhile
                yield StoredFile(path, 0, "")
        except OSError:
            yield StoredFile(path, 0, "")
        else:
            if stat.S_ISREG(found.st_mode):
                yield StoredFile(path, found.st_size, _version_on_disk(found))


def _leads_to(folder: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a folder can hold files that match, by the parts of its path and of the pattern."""
    for part, expected in zip(folder, pattern, strict=False):
        if expected == "**":
            return True
        if not _matcher(expected)(part):
            return False
    return len(folder) < len(pattern)


@lru_cache
def _matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    try:
        return re.compile(glob_translate(pattern)).match
    except ValueError as error:
        raise StorageError(f"{pattern!r} is no pattern: ** stands for folders, and only between slashes") from error


def _in_bucket(uri: str, pattern: str) -> Iterator[StoredFile]:
    key = key_of(uri)
    if key and not uri.endswith("/"):
        # A file sorts before all files whose names start with its own.
        first = next((file for page in object_pages(uri, key, is_flat=True) for file in page), None)
        if first is not None and key_of(first.uri) == key:
            yield first
            return
    if not pattern:
        for page in object_pages(uri, f"{key.rstrip('/')}/" if key else ""):
            yield from page
        return
    prefix = before_glob(key)
    is_flat = "/" not in key[len(prefix) :] and "**" not in key
    is_match = _matcher(key)
    for page in object_pages(uri, prefix, is_flat=is_flat):
        yield from (file for file in page if is_match(key_of(file.uri)))


def _linked_from_page(uri: str, pattern: str) -> Iterator[StoredFile]:
    """The files that an http server's index page links to."""
    fs, path = filesystem(uri)
    found: Mapping[str, dict[str, Any]]
    if not path.endswith("/") and exists(uri):
        found = {path: call_store(uri, lambda: fs.info(path))}
    else:
        find = fs.glob if pattern else fs.find
        found = call_store(uri, lambda: find(path, detail=True))
    for name in sorted(found):
        info = found[name]
        if info["type"] == "file":
            yield StoredFile(name, int(info.get("size") or 0), version_of(info))


def _versions_by_listing(folder: str, names: Mapping[str, str]) -> dict[str, str]:
    """Versions by URI, from the pages of `folder` that hold many of `names` (each name with its URI)."""
    found: dict[str, str] = {}
    if len(names) < REQUESTS_PER_PAGE:
        return found
    prefix = key_of(f"{folder}/-")[:-1]
    try:
        for page in object_pages(folder, prefix, is_flat=True, first=prefix + min(names)):
            known = {posixpath.basename(file.uri): file.version for file in page}
            hits = {names[name]: known[name] for name in known.keys() & names.keys()}
            found |= hits
            if len(hits) < REQUESTS_PER_PAGE:
                break
    except (OSError, StorageError):
        pass  # an account may be allowed to read but not to list
    return found


def _single_version(uri: str) -> str:
    try:
        fs, path = filesystem(uri)
        if is_local(uri):
            found = regular_file(path)
            return _version_on_disk(found) if found else ""
        return version_of(call_store(uri, lambda: fs.info(path), SINGLE_RETRY_POLICY))
    except (OSError, ValueError, StorageError):  # ValueError: an impossible file name
        return ""


def _version_on_disk(found: os.stat_result) -> str:
    return version_of({"size": found.st_size, "mtime": found.st_mtime})
