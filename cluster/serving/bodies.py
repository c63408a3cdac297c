"""Bodies of requests, on every route: each has a limit of bytes and deadlines, and none is left to come for ever.

A form for `UPLOAD_PATH` may be as large, and take as long, as an upload may. Any other body is small, and there within
the time that a client may be silent. What is still to come when the response begins is read for a moment more, so that
a client which is sending sees the response, and not a broken connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from cluster.serving.errors import ApiError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

UPLOAD_PATH = "/v1/videos"
FORM = "multipart/form-data"
FORM_BYTES = 1 << 20  # of an upload, beside its file
SMALL_BYTES = 64 << 10
DISCARDED_BYTES, DISCARD_SECONDS = 64 << 20, 2.0


@dataclass(frozen=True)
class ReceptionLimits:
    """Bytes of a file, seconds for all of it, and seconds without a byte."""

    max_bytes: int
    total_seconds: float
    idle_seconds: float


def claimed_bytes(headers: Headers) -> int | None:
    """The length that a request claims for its body; None where it claims none."""
    claimed = headers.get("content-length", "")
    return int(claimed) if claimed.isdecimal() and len(claimed) < 20 else None


class Body:
    """The body of a request, as ASGI's `receive`. Reading raises `ApiError` beyond the limits; those of `upload`, if it
    is one.

    is_over  whether nothing of it is to come
    """

    def __init__(self, scope: Scope, receive: Receive, upload: ReceptionLimits) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        is_form = headers.get("content-type", "").lower().startswith(FORM)
        if is_form and (scope["method"], scope["path"]) == ("POST", UPLOAD_PATH):
            self._max_bytes, self._limits = upload.max_bytes + FORM_BYTES, upload
            self._too_large = f"a video may have {upload.max_bytes >> 20} MiB here"
        else:
            self._max_bytes = SMALL_BYTES
            self._limits = ReceptionLimits(SMALL_BYTES, upload.idle_seconds, upload.idle_seconds)
            self._too_large = f"this body may have {SMALL_BYTES} bytes"
        self._claimed = claimed_bytes(headers)
        self._is_held_back = headers.get("expect", "").lower() == "100-continue"  # until somebody reads
        self._size = 0
        self._deadline: float | None = None
        self.is_over = "transfer-encoding" not in headers and not self._claimed

    async def __call__(self) -> Message:
        """The next message."""
        if self.is_over:
            return await self._receive()  # which waits for the client to leave
        if self._claimed is not None and self._claimed > self._max_bytes:
            raise ApiError("too_large", self._too_large)
        self._is_held_back = False
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._limits.total_seconds
        try:
            seconds = min(self._limits.idle_seconds, max(self._deadline - now, 0.001))
            message = await asyncio.wait_for(self._next(), seconds)
        except TimeoutError as error:
            raise ApiError("timeout", "the body of the request takes too long") from error
        if self._size > self._max_bytes:
            raise ApiError("too_large", self._too_large)
        return message

    async def discard(self) -> None:
        """Read on for a moment, and forget it."""
        most = self._size + DISCARDED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self.is_over and not self._is_held_back and self._size < most:
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self.is_over = not message.get("more_body", False)
        return message
