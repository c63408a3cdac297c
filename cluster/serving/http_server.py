"""The HTTP server: uvicorn, with a deadline for the head of a request, and bounds on connections and messages.

Bodies have deadlines of their own (`bodies`). A body is read no faster than the application takes it, so that memory
stays flat whatever a client sends.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import h11
import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from schemas.errors import InputError

HEAD_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 15
MAX_HEAD_BYTES = 32 << 10
MAX_CONNECTIONS = 512
MAX_MESSAGE_BYTES = 4 << 20  # of a WebSocket: a frame
WAITING_MESSAGES = 2
BACKLOG = 128
STOP_SECONDS = 5


class PunctualProtocol(H11Protocol):
    """Closes connections whose client does not finish the head of a request in time."""

    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_head()
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `InputError` where that is not possible."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise InputError(
            f"nothing can listen at {host}:{port}: {error.strerror}; give another --host or --port"
        ) from error


def http_server(application: Any, proxies: Sequence[str] = ()) -> uvicorn.Server:
    """The server of an ASGI application; `serve(sockets=…)` runs it.

    Of a request that comes from one of the `proxies`, addresses or networks, client and scheme are those that it names.
    """
    config = uvicorn.Config(
        application,
        http=PunctualProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_max_queue=WAITING_MESSAGES,
        ws_per_message_deflate=False,  # frames are compressed already
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
    )
    return uvicorn.Server(config)
