"""The current versions of files that are named one by one, as a manifest does.

Folders of a bucket that hold many of them are listed; all others are requested one by one. All of this is done at the
same time, and for `TOTAL_SECONDS` at most: no server that is slow to answer, or never does, keeps a run from starting.
"""

from __future__ import annotations

import logging
import posixpath
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from cluster.storage.buckets import is_bucket, key_of, object_pages, version_of
from cluster.storage.files import StorageError, call_store, filesystem, is_local
from cluster.storage.listing import version_on_disk
from cluster.storage.local_files import regular_file
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.retry import RetryPolicy
from cluster.storage.store_errors import StoreFailure, store_failure_of
from cluster.storage.tar_members import member_version, part_of
from schemas.errors import examples

MAX_REQUESTS = 32  # concurrent ones
REQUESTS_PER_PAGE = 8  # single requests that a page of a listing must save to be worth its own
ANSWER_SECONDS = 15.0  # for one request; there may be thousands of them
RETRY_POLICY = RetryPolicy(total_seconds=ANSWER_SECONDS)
SILENT_REQUESTS = 4  # in a row without an answer, after which a server is not asked any more
TOTAL_SECONDS = 300.0
NOTICE_SECONDS = 10.0  # after which the log says what a run waits for
_HOST_END = re.compile("[/?#]")

logger = logging.getLogger("framemill")


def versions_of(
    uris: Iterable[str],
    policy: ReadPolicy = STRICT,
    *,
    total_seconds: float = TOTAL_SECONDS,
    silent: Counter[str] | None = None,
) -> dict[str, str]:
    """The current versions of files by their URIs, without those that are missing or cannot be reached.

    That of a tar's member is the tar's, with the bytes that it takes.

    silent  by server, how many requests in a row had no answer; given again for further files, it spares them theirs
    """
    parts = {uri: part_of(uri) for uri in uris}
    survey = _Survey((part.uri if part else uri for uri, part in parts.items()), policy, silent)
    found = survey.carry_out(total_seconds)
    versions = {
        uri: member_version(found.get(part.uri, ""), uri) if part else found.get(uri, "") for uri, part in parts.items()
    }
    return {uri: version for uri, version in versions.items() if version}


class _Survey:
    """Asks for the versions of files; `open` are those that nobody has answered for."""

    def __init__(self, uris: Iterable[str], policy: ReadPolicy, silent: Counter[str] | None) -> None:
        self._policy = policy
        self._lock = threading.Lock()
        self._versions: dict[str, str] = {}
        self._silent = Counter() if silent is None else silent
        self._told = {server for server, count in self._silent.items() if count >= SILENT_REQUESTS}
        self._folders: dict[str, dict[str, str]] = defaultdict(dict)  # folder of a bucket → name in it → URI
        self._single: list[str] = []
        for uri in dict.fromkeys(uris):
            folder, _, name = uri.rpartition("/")
            try:
                if is_bucket(uri):
                    self._folders[folder][name] = uri
                else:
                    self._single.append(uri)
            except StorageError:
                continue
        self._single = _in_turns(self._single)
        self._open = {*self._single, *(uri for names in self._folders.values() for uri in names.values())}

    def carry_out(self, total_seconds: float) -> dict[str, str]:
        """The versions that are answered in time; the log says of how many others they are not known."""
        deadline, asked = time.monotonic() + total_seconds, len(self._open)
        listings = (partial(self._list, folder, names) for folder, names in self._folders.items())
        self._ask([*listings, *(partial(self._request, uri) for uri in self._single)], deadline)
        others = [uri for names in self._folders.values() for uri in names.values() if uri in self._open]
        self._ask([partial(self._request, uri) for uri in others], deadline)
        with self._lock:
            left, versions = sorted(self._open), dict(self._versions)
        servers = sorted({_server(uri) for uri in left})
        if not self._told.issuperset(servers):
            logger.warning(
                f"the versions of {len(left)} of {asked} files are not known, as {examples(servers, str)} did not "
                f"answer in time ({ANSWER_SECONDS:g} s a request, {total_seconds:g} s in all): what an earlier run "
                "has settled counts as unchanged"
            )
        return {uri: version for uri, version in versions.items() if version}

    def _ask(self, calls: list[Callable[[], None]], deadline: float) -> None:
        """Make the calls, in threads that end with this process, whatever they wait for."""
        left: Iterator[Callable[[], None]] = iter(calls)
        lock, errors = threading.Lock(), list[Exception]()

        def work() -> None:
            while time.monotonic() < deadline:
                with lock:
                    call = next(left, None)
                if call is None:
                    return
                try:
                    call()
                except Exception as error:  # raised in the thread that waits
                    errors.append(error)
                    return

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(MAX_REQUESTS, len(calls)))]
        for thread in threads:
            thread.start()
        notice = time.monotonic() + NOTICE_SECONDS
        for until in (min(notice, deadline), deadline):
            for thread in threads:
                thread.join(max(until - time.monotonic(), 0))
            if any(thread.is_alive() for thread in threads) and until < deadline:
                logger.info(
                    f"waiting for the versions of {len(self._open)} files, for up to "
                    f"{deadline - time.monotonic():.0f} s"
                )
        if errors:
            raise errors[0]

    def _list(self, folder: str, names: Mapping[str, str]) -> None:
        """Take the versions from the pages of `folder` that hold many of `names` (each name with its URI)."""
        if len(names) < REQUESTS_PER_PAGE:
            return
        prefix = key_of(f"{folder}/-")[:-1]
        try:
            for page in object_pages(folder, prefix, is_flat=True, first=prefix + min(names)):
                known = {posixpath.basename(file.uri): file.version for file in page}
                hits = {names[name]: known[name] for name in known.keys() & names.keys()}
                self._take(hits)
                if len(hits) < REQUESTS_PER_PAGE:
                    return
        except (OSError, StorageError):
            pass  # an account may be allowed to read but not to list

    def _request(self, uri: str) -> None:
        server = _server(uri)
        if self._silent[server] >= SILENT_REQUESTS:
            return
        version = ""
        try:
            version = _version(uri, self._policy)
        except StorageError as error:
            if error.__cause__ is not None and store_failure_of(error.__cause__) is StoreFailure.TRANSIENT:
                self._silent[server] += 1
                return
        except (OSError, ValueError):  # missing; an impossible file name
            pass
        self._silent[server] = 0
        self._take({uri: version})

    def _take(self, versions: Mapping[str, str]) -> None:
        with self._lock:
            self._versions |= versions
            self._open.difference_update(versions)


def _version(uri: str, policy: ReadPolicy) -> str:
    fs, path = filesystem(uri, policy)
    if is_local(uri):
        found = regular_file(path)
        return version_on_disk(found) if found else ""
    return version_of(call_store(uri, lambda: fs.info(path, timeout=ANSWER_SECONDS), RETRY_POLICY))


def _in_turns(uris: list[str]) -> list[str]:
    """The URIs, one of each server after the other, so that a slow server does not come before all others."""
    asked: Counter[str] = Counter()
    turns = []
    for uri in uris:
        server = _server(uri)
        turns.append((asked[server], uri))
        asked[server] += 1
    return [uri for _, uri in sorted(turns, key=lambda turn: turn[0])]


def _server(uri: str) -> str:
    """`https://host`, `gs://bucket`, or `this machine`."""
    if is_local(uri):
        return "this machine"
    scheme, _, address = uri.partition("://")
    return f"{scheme}://{_HOST_END.split(address, 1)[0].rpartition('@')[2]}"
