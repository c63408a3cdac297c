"""Videos by their address: a URI → a copy of the file, within the limits of an upload, which can be stopped.

Only http and https, and by default only servers on the public internet: of a name, all addresses must be public, and so
must those be that servers redirect to (`cluster.storage.http_client`). The copy is what is decoded and played, so that
an address is asked for once. All of it happens in a thread and an event loop of its own: names that resolve slowly and
servers that send slowly hold up no other request.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from cluster.serving.bodies import ReceptionLimits
from cluster.serving.errors import ApiError, refused_where_full
from cluster.serving.media_types import HEAD_BYTES, media_type_of
from cluster.serving.uploads import Upload, shown_name
from cluster.storage.files import HTTP, StorageError, scheme_of
from cluster.storage.http_client import NarrowRedirectError, PrivateAddressError, check_public
from cluster.storage.http_copy import chunks_of
from cluster.storage.read_policy import CopyLimitError, ReadPolicy
from cluster.storage.redaction import redacted_uri
from cluster.storage.store_errors import StoreFailure, describe, store_failure_of
from schemas.outcomes import FailureCode

MAX_URI_CHARACTERS = 4096
RESOLVE_SECONDS = 10.0
NOT_PUBLIC = "only addresses on the public internet are taken here"
Found = TypeVar("Found")

logger = logging.getLogger("framemill")


class Fetcher:
    """Copies videos within `limits`, from this network and this machine, too, if it may. To be closed."""

    def __init__(self, limits: ReceptionLimits, *, allow_private: bool) -> None:
        self._limits, self._allow_private = limits, allow_private
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fetching", daemon=True)
        self._thread.start()

    async def check(self, uri: str) -> None:
        """Refuse, before anything is asked for, what this service must not reach. Raises `ApiError`."""
        await self._there(check_uri(uri, allow_private=self._allow_private))

    async def fetch(self, uri: str, path: Path) -> Upload:
        """Copy what is at `uri` to `path`; ends at once where it is cancelled. Raises `ApiError`."""
        with refused_where_full(), path.open("xb") as target:  # here: what is cancelled makes no file any more
            await self._there(copy(uri, target, self._limits, allow_private=self._allow_private))
        with path.open("rb") as file:
            media_type = media_type_of(file.read(HEAD_BYTES))
        if media_type is None:
            raise ApiError(FailureCode.NOT_MEDIA, "the file is no video of a format that is known here")
        return Upload(name_of(uri), os.path.getsize(path), media_type, ())

    async def _there(self, work: Coroutine[Any, Any, Found]) -> Found:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """Stop all."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def check_uri(uri: str, *, allow_private: bool) -> None:
    """Refuse, before anything is asked for, what this service must not reach. Raises `ApiError`."""
    try:
        if len(uri) > MAX_URI_CHARACTERS or scheme_of(uri) not in HTTP:
            raise StorageError("")
        host = urlsplit(uri).hostname or ""
        port = urlsplit(uri).port or 0
    except (StorageError, ValueError) as error:
        raise ApiError("uri_refused", "a uri begins with https:// or http://") from error
    if allow_private:
        return
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), RESOLVE_SECONDS)
        for *_, address in found:
            check_public(str(address[0]))
    except (OSError, UnicodeError, PrivateAddressError) as error:  # a host without an address, too: do not tell apart
        raise ApiError("uri_refused", NOT_PUBLIC) from error


async def copy(uri: str, target: BinaryIO, limits: ReceptionLimits, *, allow_private: bool) -> None:
    """Write what is at `uri` to `target`. Raises `ApiError`, and `OSError` where `target` takes no more."""
    chunks = chunks_of(
        uri,
        ReadPolicy(allow_private_addresses=allow_private),
        limit_bytes=limits.max_bytes,
        limit_seconds=limits.total_seconds,
        idle_seconds=limits.idle_seconds,
    )
    async with aclosing(chunks):
        while True:
            with _as_api_errors(uri):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            target.write(chunk)


def name_of(uri: str) -> str:
    """The last part of the path of a URI, to be shown."""
    return shown_name(unquote(urlsplit(uri).path))


@contextmanager
def _as_api_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except CopyLimitError as error:
        raise ApiError(FailureCode.COPY_LIMIT, "the video is too large, or its server too slow") from error
    except (NarrowRedirectError, PrivateAddressError) as error:
        raise ApiError("uri_refused", NOT_PUBLIC) from error
    except Exception as error:
        logger.warning(f"{redacted_uri(uri)}: {describe(error)}")
        codes = {StoreFailure.MISSING: FailureCode.MISSING, StoreFailure.DENIED: FailureCode.NO_PERMISSION}
        code = codes.get(store_failure_of(error), FailureCode.STORAGE)
        raise ApiError(code, "its server does not send it") from error
