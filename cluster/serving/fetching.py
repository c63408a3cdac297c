"""Videos by their address: a URI → a copy of the file, within the limits of an upload.

Only http and https, and by default only servers on the public internet: of a name, all addresses must be public, and so
must those be that servers redirect to (`cluster.storage.http_client`). The copy is what is decoded and played, so that
an address is asked for once.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cluster.serving.errors import ApiError
from cluster.serving.media_types import HEAD_BYTES, media_type_of
from cluster.serving.uploads import ReceptionLimits, Upload, shown_name
from cluster.storage.files import HTTP, StorageError, filesystem, scheme_of
from cluster.storage.http_client import NarrowRedirectError, PrivateAddressError, check_public
from cluster.storage.http_copy import CopyLimitError, copy_file
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.store_errors import StoreFailure, store_failure_of
from schemas.outcomes import FailureCode

MAX_URI_CHARACTERS = 4096
RESOLVE_SECONDS = 10.0
NOT_PUBLIC = "only addresses on the public internet are taken here"


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


async def fetch(uri: str, path: Path, limits: ReceptionLimits, *, allow_private: bool) -> Upload:
    """Copy what is at `uri` to `path`. Raises `ApiError`."""
    policy = ReadPolicy(allow_private_addresses=allow_private)
    await asyncio.to_thread(_copy, uri, path, limits, policy)
    with path.open("rb") as file:
        media_type = media_type_of(file.read(HEAD_BYTES))
    if media_type is None:
        raise ApiError(FailureCode.NOT_MEDIA, "the file is no video of a format that is known here")
    return Upload(name_of(uri), os.path.getsize(path), media_type, ())


def name_of(uri: str) -> str:
    """The last part of the path of a URI, to be shown."""
    return shown_name(unquote(urlsplit(uri).path))


def _copy(uri: str, path: Path, limits: ReceptionLimits, policy: ReadPolicy) -> None:
    with _as_api_errors(), path.open("xb") as target:
        fs, url = filesystem(uri, policy)
        copy_file(fs, url, target, limits.max_bytes, limits.total_seconds)


@contextmanager
def _as_api_errors() -> Iterator[None]:
    try:
        yield
    except CopyLimitError as error:
        raise ApiError(FailureCode.COPY_LIMIT, "the video is too large, or its server too slow") from error
    except (NarrowRedirectError, PrivateAddressError) as error:
        raise ApiError("uri_refused", NOT_PUBLIC) from error
    except Exception as error:
        codes = {StoreFailure.MISSING: FailureCode.MISSING, StoreFailure.DENIED: FailureCode.NO_PERMISSION}
        code = codes.get(store_failure_of(error), FailureCode.STORAGE)
        raise ApiError(code, "its server does not send it") from error
