"""A copy of a file on an http server, within limits: servers may send more than they say, or a byte a minute."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from typing import IO, Any

import aiohttp
from fsspec.asyn import sync
from yarl import URL

from cluster.storage.http_client import client_of
from cluster.storage.read_policy import CopyLimitError, ReadPolicy

CHUNK_BYTES = 1 << 20
HEADERS = {"Accept-Encoding": "identity"}


def copy_file(fs: Any, url: str, target: IO[bytes], limit_bytes: int, limit_seconds: float) -> None:
    """Make `target` a copy of `url`, whatever it holds, and leave it at its end; `fs` is fsspec's http file system.

    Raises:
        CopyLimitError: beyond the limits.
        Exception: whatever the request raises.
    """
    target.seek(0)
    target.truncate()
    deadline = time.monotonic() + limit_seconds

    def wait_for(call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return sync(fs.loop, call, *arguments, timeout=max(deadline - time.monotonic(), 1e-3))
        except TimeoutError as error:
            if time.monotonic() < deadline:
                raise  # the connection has stalled
            raise CopyLimitError(f"copying it takes more than {limit_seconds:g} s") from error

    response = wait_for(_response, fs, url)
    try:
        while chunk := wait_for(response.content.read, CHUNK_BYTES):
            if target.tell() + len(chunk) > limit_bytes:
                raise CopyLimitError(f"it is larger than {limit_bytes >> 20} MiB")
            target.write(chunk)
    finally:
        fs.loop.call_soon_threadsafe(response.close)


async def chunks_of(
    url: str, policy: ReadPolicy, *, limit_bytes: int, limit_seconds: float, idle_seconds: float
) -> AsyncGenerator[bytes]:
    """The content of `url` as it comes, with no more than `idle_seconds` between two bytes; to be closed.

    Raises:
        CopyLimitError: beyond the limits.
        Exception: whatever the request raises.
    """
    timeout = aiohttp.ClientTimeout(total=limit_seconds, sock_connect=idle_seconds, sock_read=idle_seconds)
    size = 0
    try:
        async with (
            await client_of(policy)(timeout=timeout) as session,
            session.get(URL(url), headers=HEADERS, raise_for_status=True) as response,
        ):
            while chunk := await response.content.read(CHUNK_BYTES):
                size += len(chunk)
                if size > limit_bytes:
                    raise CopyLimitError(f"it is larger than {limit_bytes >> 20} MiB")
                yield chunk
    except aiohttp.ServerTimeoutError as error:
        raise CopyLimitError(f"its server has sent nothing for {idle_seconds:g} s") from error
    except TimeoutError as error:
        raise CopyLimitError(f"copying it takes more than {limit_seconds:g} s") from error


async def _response(fs: Any, url: str) -> aiohttp.ClientResponse:
    session = await fs.set_session()
    response: aiohttp.ClientResponse = await session.get(fs.encode_url(url), headers=HEADERS)
    try:
        response.raise_for_status()
    except BaseException:
        response.close()
        raise
    return response
