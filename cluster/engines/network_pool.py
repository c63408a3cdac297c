"""A pool of embedders apart from the workers that decode: networks on GPUs, batches filled across videos.

A worker's networks are replaced by proxies. The rows that it prepares for them (frames and clips as uint8, already
reduced to what the network reads) travel in chunks through the object store. It has at most a few chunks in flight, so
that memory stays bounded however long the video is. An embedder takes whatever chunks are waiting, from any worker, as
one batch. How rows become a chunk is the network's own business (`cluster.engines.stage.Network`).

An embedder that dies is restarted by Ray, on another machine if need be, and its chunks are sent again; the workers
only wait longer.
"""

from __future__ import annotations

import os
import queue
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import ActorUnavailableError, ObjectLostError

from cluster.engines.ray_cluster import FileCopies, cluster_size
from cluster.engines.stage import Network
from cluster.runs.logs import configure_worker_logging

CHUNKS_IN_FLIGHT = 3
CALLS_AT_ONCE = 64  # chunks that may wait at one embedder
BATCH_CHUNKS = 16
RESENDS = 5


class Batcher:
    """Runs a network in one thread over the chunks of many callers."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: queue.SimpleQueue[tuple[list[Any], Future[NDArray[np.float32]]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def embed(self, rows: list[Any]) -> NDArray[np.float32]:
        """The embeddings (N, D) of N prepared rows; waits for them."""
        future: Future[NDArray[np.float32]] = Future()
        self._waiting.put((rows, future))
        return future.result()

    def _serve(self) -> None:
        while True:
            calls = [self._waiting.get()]
            while len(calls) < BATCH_CHUNKS and not self._waiting.empty():
                calls.append(self._waiting.get())
            try:
                embeddings = self._network.embed_prepared([row for rows, _ in calls for row in rows])
            except Exception as error:
                for _, future in calls:
                    future.set_exception(error)
                continue
            start = 0
            for rows, future in calls:
                future.set_result(embeddings[start : start + len(rows)])
                start += len(rows)


class EmbedderActor:
    """The networks of a stage on one GPU, or on one CPU core.

    It loads them with its first call, and again where Ray has restarted it: each call brings `stored`, a list with a
    reference to the networks by name and to their files. As an argument of the actor itself, Ray would warn that the
    reference may be lost before a restart, not knowing that the pool holds it.
    """

    def __init__(self) -> None:
        configure_worker_logging()
        # Rows lie read-only in the object store, and are only read.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        self._loading = threading.Lock()
        self._networks: Mapping[str, Network] = {}
        self._batchers: dict[str, Batcher] = {}

    def variants(self, stored: list[Any]) -> dict[str, str]:
        """The variants of the networks; answers once they are loaded."""
        self._load(stored)
        return {name: network.variant for name, network in self._networks.items()}

    def embed(self, stored: list[Any], name: str, chunk: Any) -> NDArray[np.float32]:
        """The embeddings (N, D) of the rows of a chunk, by the network `name`."""
        self._load(stored)
        return self._batchers[name].embed(self._networks[name].unpack(chunk))

    def _load(self, stored: list[Any]) -> None:
        with self._loading:
            if not self._batchers:
                networks, files = ray.get(stored[0])
                files.restore()
                for network in networks.values():
                    network.setup()
                self._networks = networks
                self._batchers = {name: Batcher(network) for name, network in networks.items()}


class PendingChunk(NamedTuple):
    """A chunk at an embedder, kept until its embeddings are here: those lost with a machine do not come back."""

    actor: Any
    arguments: tuple[Any, ...]
    reference: Any

    @classmethod
    def sent(cls, actor: Any, *arguments: Any) -> PendingChunk:
        """One that is on its way to an actor."""
        return cls(actor, arguments, actor.embed.remote(*arguments))

    def embeddings(self) -> NDArray[np.float32]:
        """Wait for them."""
        reference = self.reference
        for _ in range(RESENDS):
            try:
                embeddings: NDArray[np.float32] = ray.get(reference)
            except (ObjectLostError, ActorUnavailableError):
                reference = self.actor.embed.remote(*self.arguments)
            else:
                return embeddings
        return ray.get(reference)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class PoolClient:
    """The connection of a proxy to its network, `name`, of which every actor has a copy.

    `stored` is what the actors load, `pack` and `chunk_rows` are those of the network; `dim` is the width of its
    embeddings.
    """

    actors: list[Any]
    stored: list[Any]
    name: str
    dim: int
    chunk_rows: int
    pack: Callable[[list[Any]], Any]

    def __call__(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """Send rows to the embedders in turn, few chunks at a time; the embeddings (N, D) in the order of the rows."""
        first = os.getpid()  # workers start at different embedders
        in_flight: deque[PendingChunk] = deque()
        embeddings: list[NDArray[np.float32]] = []
        rows = iter(rows)
        while chunk_rows := list(islice(rows, self.chunk_rows)):
            if len(in_flight) == CHUNKS_IN_FLIGHT:
                embeddings.append(in_flight.popleft().embeddings())
            actor = self.actors[(first + len(embeddings) + len(in_flight)) % len(self.actors)]
            in_flight.append(PendingChunk.sent(actor, self.stored, self.name, self.pack(chunk_rows)))
        embeddings += [chunk.embeddings() for chunk in in_flight]
        return np.concatenate(embeddings) if embeddings else np.zeros((0, self.dim), np.float32)


class EmbedderPool:
    """The embedders of a run: `count` actors, each on a GPU, or on a CPU core where there is none.

    cpus     cores that they take
    proxies  by name, what takes the networks' place in a worker
    """

    def __init__(self, networks: Mapping[str, Network], files: FileCopies, count: int) -> None:
        on_gpu = cluster_size().gpus > 0
        self.cpus = 0 if on_gpu else count
        actor = ray.remote(EmbedderActor).options(
            num_gpus=1 if on_gpu else 0,
            num_cpus=0 if on_gpu else 1,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=CALLS_AT_ONCE,
        )
        # Stored once for all actors, and held: those that are restarted on another machine read it again.
        self._stored = [ray.put((dict(networks), files))]
        self._actors = [actor.remote() for _ in range(count)]
        loading = [actor.variants.remote(self._stored) for actor in self._actors]
        variants: dict[str, str] = ray.get(loading[0])
        self.proxies: dict[str, Network] = {
            name: network.proxy(self._client(name, network), variants[name]) for name, network in networks.items()
        }

    def _client(self, name: str, network: Network) -> PoolClient:
        return PoolClient(self._actors, self._stored, name, network.dim, network.chunk_rows, network.pack)

    def close(self) -> None:
        """Stop the actors."""
        for actor in self._actors:
            ray.kill(actor)
