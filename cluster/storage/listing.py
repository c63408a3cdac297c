"""Listings of folders, bucket prefixes and globs.

Files come in the order of their names, those in linked folders last. Memory holds no more than one page of a bucket, or
what `local_files.walk_files` says.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from cluster.storage.buckets import StoredFile, is_bucket, key_of, object_pages, prefixes_below, version_of
from cluster.storage.exclusion import HIDDEN, Exclusion
from cluster.storage.files import STALL_SECONDS, StorageError, call_store, exists, filesystem, is_local
from cluster.storage.local_files import is_within, regular_file, walk_files
from cluster.storage.read_policy import STRICT, ReadPolicy

GLOB_CHARACTERS = "*?["
PAGES_SECONDS = 300.0  # for all index pages of an http server, which may link to ever more


def list_files(
    uri: str,
    exclusion: Exclusion = HIDDEN,
    *,
    unread: list[str] | None = None,
    outside: list[str] | None = None,
    policy: ReadPolicy = STRICT,
) -> Iterator[StoredFile]:
    """All files below a folder or prefix, or those that a glob matches, without those that `exclusion` leaves out.

    A link to a file that is not there, or cannot be reached, is listed without a version.

    unread   takes the paths of subfolders that cannot be read; without it they raise `OSError`
    outside  takes the paths of links that lead out of a local folder, which are not followed; without it they are
    policy   for servers
    """
    for stream in list_streams(uri, exclusion, unread=unread, outside=outside, policy=policy, in_parallel=False):
        yield from stream


def list_streams(
    uri: str,
    exclusion: Exclusion = HIDDEN,
    *,
    unread: list[str] | None = None,
    outside: list[str] | None = None,
    policy: ReadPolicy = STRICT,
    in_parallel: bool = True,
) -> list[Iterator[StoredFile]]:
    """The files of `list_files` in streams, each ordered, which can be read at the same time.

    No folder of a bucket is in two streams.
    """
    root, pattern = split_glob(uri, policy)
    asks_for_hidden = any(part.startswith(".") for part in pattern.split("/"))
    leaves_out = partial(exclusion.leaves_out, with_hidden=asks_for_hidden)
    if is_local(uri):
        found = [_on_disk(root, pattern, leaves_out, unread, outside)]
    elif is_bucket(uri):
        found = _in_bucket(uri, pattern, in_parallel)
    else:
        found = [_linked_from_page(uri, pattern, policy)]

    def kept(files: Iterator[StoredFile]) -> Iterator[StoredFile]:
        return (file for file in files if file.uri == root or not leaves_out(below(root, file.uri)))

    return [kept(files) for files in found]


def split_glob(uri: str, policy: ReadPolicy = STRICT) -> tuple[str, str]:
    """The folder, prefix or file that a listing of `uri` starts at, and the pattern below it, if there is one."""
    fs, path = filesystem(uri)
    root = posixpath.dirname(before_glob(path)) if is_glob(uri, policy) else path
    return root if is_local(uri) else fs.unstrip_protocol(root), path[len(root) :].lstrip("/")


def below(root: str, uri: str) -> str:
    """The path of a listed file below the root of its listing."""
    return uri[len(root) :].lstrip("/") if uri.startswith(root) else posixpath.basename(uri)


def is_glob(uri: str, policy: ReadPolicy = STRICT) -> bool:
    """Whether `uri` is a pattern, and not the name of an existing file or folder (`talks [2024]/`)."""
    _, path = filesystem(uri)
    return any(character in path for character in GLOB_CHARACTERS) and not exists(uri, policy)


def before_glob(path: str) -> str:
    """The part of a pattern before its first wildcard."""
    return path[: min((path.index(one) for one in GLOB_CHARACTERS if one in path), default=len(path))]


def _on_disk(
    root: str,
    pattern: str,
    leaves_out: Callable[[str], bool],
    unread: list[str] | None,
    outside: list[str] | None,
) -> Iterator[StoredFile]:
    found = None if pattern else regular_file(root)
    if found:
        yield StoredFile(root, found.st_size, version_on_disk(found))
        return

    def enters(folder: str) -> bool:
        return not leaves_out(folder) and (not pattern or _leads_to(folder.split("/"), pattern.split("/")))

    is_match = _matcher(pattern or "**")

    def follows(link: str) -> bool:
        path = os.path.join(root, link)
        if outside is None or is_within(path, root):
            return True
        if not leaves_out(link) and (os.path.isdir(path) or is_match(link)):
            outside.append(path)
        return False

    for path in walk_files(root, enters, follows, unread):
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
                yield StoredFile(path, found.st_size, version_on_disk(found))


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
    if pattern == "**":
        return re.compile(".*", re.DOTALL).match
    from fsspec.utils import glob_translate

    try:
        return re.compile(glob_translate(pattern)).match
    except ValueError as error:
        raise StorageError(f"{pattern!r} is no pattern: ** stands for folders, and only between slashes") from error


def _in_bucket(uri: str, pattern: str, in_parallel: bool) -> list[Iterator[StoredFile]]:
    key = key_of(uri)
    if key and not uri.endswith("/"):
        # A file sorts before all files whose names start with its own.
        first = next((file for page in object_pages(uri, key, is_flat=True) for file in page), None)
        if first is not None and key_of(first.uri) == key:
            return [iter([first])]
    if pattern:
        prefix = before_glob(key)
        is_flat = "/" not in key[len(prefix) :] and "**" not in key
        is_match = _matcher(key)
        pages = object_pages(uri, prefix, is_flat=is_flat)
        return [(file for page in pages for file in page if is_match(key_of(file.uri)))]
    prefixes = [f"{key.rstrip('/')}/" if key else ""]
    while in_parallel and len(prefixes) == 1 and (folders := prefixes_below(uri, prefixes[0])):
        prefixes = folders
    return [(file for page in object_pages(uri, prefix) for file in page) for prefix in prefixes]


def _linked_from_page(uri: str, pattern: str, policy: ReadPolicy) -> Iterator[StoredFile]:
    """The files that an http server's index page links to."""
    fs, path = filesystem(uri, policy)
    found: Mapping[str, dict[str, Any]]
    if not path.endswith("/") and exists(uri, policy):
        found = {path: call_store(uri, lambda: fs.info(path, timeout=STALL_SECONDS))}
    else:
        find = fs.glob if pattern else fs.find
        found = call_store(uri, lambda: find(path, detail=True, timeout=PAGES_SECONDS))
    for name in sorted(found):
        info = found[name]
        if info["type"] == "file":
            yield StoredFile(name, int(info.get("size") or 0), version_of(info))


def version_on_disk(found: os.stat_result) -> str:
    """The version of a local file by its status."""
    return version_of({"size": found.st_size, "mtime": found.st_mtime})
