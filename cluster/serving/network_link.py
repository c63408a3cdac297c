"""How a child process that decodes reaches networks in other processes: a Unix socket, packed arrays, no pickles.

    child: stage ─► `LinkedNetwork` ── prepared rows ──► `NetworkLink` in its parent ─► a deployment
                                    ◄── vectors ───────

The parent trusts nothing that comes: a message is of limited size, and holds arrays of numbers alone
(`cluster.engines.wire`). A call has two chunks in flight, so that the network has the next one when it is through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.engines.stage import Network
from cluster.engines.wire import pack, unpack
from extractors.embedders import FrameEmbedder

CHUNKS_IN_FLIGHT = 2  # more could fill both directions of the socket, and stop both sides
MAX_NAME_BYTES = 4096
MAX_CHUNK_BYTES = 256 << 20

Run = Callable[[str, list[Any]], NDArray[np.float32]]


@dataclass(frozen=True)
class LinkedNetwork:
    """What embeds the rows of a proxy: the network `name` at the other end of the socket at `path`."""

    path: str
    name: str
    dim: int
    chunk_rows: int
    pack: Callable[[list[Any]], Any]

    def __call__(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """The vectors (N, D) of prepared rows, in their order."""
        vectors: list[NDArray[np.float32]] = []
        rows, sent = iter(rows), 0
        with closing(Client(self.path, "AF_UNIX")) as connection:
            connection.send_bytes(self.name.encode())
            while chunk := list(islice(rows, self.chunk_rows)):
                if sent - len(vectors) == CHUNKS_IN_FLIGHT:
                    vectors.append(_received(connection))
                connection.send_bytes(pack(tuple(self.pack(chunk))))
                sent += 1
            vectors += [_received(connection) for _ in range(sent - len(vectors))]
        return np.concatenate(vectors) if vectors else np.zeros((0, self.dim), np.float32)


def _received(connection: Connection) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = unpack(np.ndarray, connection.recv_bytes())
    return vectors


class NetworkLink:
    """The parent's end, at `path`: `run` has the network of a name look at a chunk. To be closed."""

    def __init__(self, path: str, networks: Mapping[str, Network], run: Run) -> None:
        self._networks, self._run, self._path = networks, run, path
        self._listener = Listener(path, "AF_UNIX", backlog=8)
        threading.Thread(target=self._accept, name="network-link", daemon=True).start()

    def proxies(self, variants: Mapping[str, str]) -> dict[str, Network]:
        """What takes the networks' place in the child, given which variants they are."""
        return {
            name: network.proxy(
                LinkedNetwork(self._path, name, network.dim, network.chunk_rows, network.pack), variants[name]
            )
            for name, network in self._networks.items()
        }

    def close(self) -> None:
        """Take no more calls."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with closing(connection), suppress(EOFError, OSError, ValueError):  # the child, too, ends with an error then
            name = connection.recv_bytes(MAX_NAME_BYTES).decode()
            if name not in self._networks:
                return
            kind = _chunk_kind(self._networks[name])
            while True:
                chunk = list(unpack(kind, connection.recv_bytes(MAX_CHUNK_BYTES)))
                connection.send_bytes(pack(self._run(name, chunk)))


def _chunk_kind(network: Network) -> Any:
    """The type of a packed chunk."""
    if isinstance(network, FrameEmbedder):
        return tuple[tuple[np.ndarray, int, int], ...]
    return tuple[np.ndarray, ...]
