"""A pool of embedders apart from the workers that decode: networks on GPUs, batches filled across videos.

A stage's networks are replaced by proxies. What a worker prepares for them (frames and clips as uint8, already cut down
to what the network reads) travels in chunks through the object store. It has at most a few chunks on their way, so
memory stays bounded however long the video is. An embedder takes whatever chunks are waiting, from any worker, as one
batch.

An embedder that dies is started again by Ray, on another machine if need be, and its chunks are sent again; the workers
notice nothing but the wait.
"""

from __future__ import annotations

import os
import queue
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import ActorUnavailableError, ObjectLostError
from torch import Tensor

from cluster.engines.ray_cluster import FileCopies, cluster_size
from cluster.engines.stage import Network
from cluster.scoring.clip_network import ClipNetwork
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.networks.image_input import PreparedFrame

CHUNK_ROWS = 32  # frames and windows; a clip is a chunk by itself
CHUNKS_ON_THEIR_WAY = 3
CALLS_AT_ONCE = 64  # chunks that may wait at one embedder
BATCH_CHUNKS = 16
RESENDS = 5


class PreparedPixels(NamedTuple):
    """A `PreparedFrame` as an array, which Ray moves without copying."""

    pixels: NDArray[np.uint8]
    height: int
    width: int


class Batcher:
    """Runs a network in one thread over whatever many callers have brought."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: queue.SimpleQueue[tuple[list[Any], Future[NDArray[np.float32]]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def embed(self, rows: list[Any]) -> NDArray[np.float32]:
        """The embeddings (N, D) of N prepared rows; waits for its turn."""
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
    """The networks of a stage on one GPU, or on one CPU core."""

    def __init__(self, networks: Mapping[str, Network], files: FileCopies) -> None:
        # Rows lie read-only in the object store, and are only read.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        files.restore()
        for network in networks.values():
            network.setup()
        self._variants = {name: network.variant for name, network in networks.items()}
        self._batchers = {name: Batcher(network) for name, network in networks.items()}

    def variants(self) -> dict[str, str]:
        """Which networks these are; answers once they are loaded."""
        return self._variants

    def embed(self, name: str, chunk: NDArray[Any] | list[PreparedPixels]) -> NDArray[np.float32]:
        """What the network `name` makes of the rows of a chunk: (N, D)."""
        if isinstance(chunk, np.ndarray):
            return self._batchers[name].embed(list(torch.from_numpy(chunk)))
        frames = [PreparedFrame(torch.from_numpy(row.pixels), row.height, row.width) for row in chunk]
        return self._batchers[name].embed(frames)


@dataclass(frozen=True)
class PoolClient:
    """The way from a proxy to its network, `name`, of which every actor has a copy."""

    actors: list[Any]
    name: str
    variant: str

    def embed(self, chunks: Iterable[Any], dim: int) -> NDArray[np.float32]:
        """Send chunks to the embedders in turn, few at a time; the embeddings in the order of the chunks."""
        turn = os.getpid()  # workers start at different embedders
        on_their_way: deque[PendingChunk] = deque()
        embeddings: list[NDArray[np.float32]] = []
        for number, chunk in enumerate(chunks):
            if len(on_their_way) == CHUNKS_ON_THEIR_WAY:
                embeddings.append(on_their_way.popleft().answer())
            actor = self.actors[(turn + number) % len(self.actors)]
            on_their_way.append(PendingChunk(actor, self.name, chunk, actor.embed.remote(self.name, chunk)))
        embeddings += [sent.answer() for sent in on_their_way]
        return np.concatenate(embeddings) if embeddings else np.zeros((0, dim), np.float32)


class RemoteFrames(FrameEmbedder):
    """A frame embedder whose network is in the pool."""

    def __init__(self, local: FrameEmbedder, line: PoolClient) -> None:
        super().__init__(local.config)
        self.prepare_for(line.variant)
        self._line = line

    def __getstate__(self) -> dict[str, Any]:
        """Everything: the handles of the pool travel."""
        return self.__dict__

    def setup(self) -> None:
        """Nothing to load: the network is elsewhere."""

    def embed_stream(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Frames as they come to embeddings (N, D)."""
        return self.embed_prepared(self.prepare(frame) for frame in frames)

    def embed_prepared(self, rows: Iterable[PreparedFrame]) -> NDArray[np.float32]:
        """Prepared frames, as they come, to embeddings (N, D)."""
        chunks = (
            [PreparedPixels(row.pixels.numpy(), row.height, row.width) for row in chunk] for chunk in _chunks(rows)
        )
        return self._line.embed(chunks, self.dim)


class RemoteSound(AudioEmbedder):
    """A sound embedder whose network is in the pool."""

    def __init__(self, local: AudioEmbedder, line: PoolClient) -> None:
        super().__init__(local.config)
        self._line = line

    def __getstate__(self) -> dict[str, Any]:
        """Everything: the handles of the pool travel."""
        return self.__dict__

    def setup(self) -> None:
        """Nothing to load: the network is elsewhere."""

    def embed_prepared(self, examples: Iterable[Tensor]) -> NDArray[np.float32]:
        """Prepared windows, each (96, 64), to embeddings (N, 128)."""
        chunks = (np.stack([row.numpy() for row in chunk]) for chunk in _chunks(examples))
        return self._line.embed(chunks, self.dim)


class RemoteClips:
    """A network over clips that is in the pool."""

    def __init__(self, local: ClipNetwork, line: PoolClient) -> None:
        self.dim = local.dim
        self.variant = line.variant
        self._line = line

    def setup(self) -> None:
        """Nothing to load: the network is elsewhere."""

    def files(self) -> list[str]:
        """None."""
        return []

    def embed_prepared(self, clips: Iterable[Tensor]) -> NDArray[np.float32]:
        """Clips, each uint8 (T, H, W, C), to what the network says of them (N, D)."""
        return self._line.embed((clip[None].numpy() for clip in clips), self.dim)


PROXIES: dict[type[Any], Callable[[Any, PoolClient], Network]] = {
    FrameEmbedder: RemoteFrames,
    AudioEmbedder: RemoteSound,
    ClipNetwork: RemoteClips,
}


class EmbedderPool:
    """The embedders of a run: one actor a GPU, or on CPU cores where there is none."""

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
        # Once for all of them, and held: actors that are started again on another machine read it again.
        self._networks = ray.put(dict(networks))
        self._actors = [actor.remote(self._networks, files) for _ in range(count)]
        variants: dict[str, str] = ray.get(self._actors[0].variants.remote())
        self.proxies: dict[str, Network] = {
            name: PROXIES[type(network)](network, PoolClient(self._actors, name, variants[name]))
            for name, network in networks.items()
        }

    def close(self) -> None:
        """Stop the actors."""
        for actor in self._actors:
            ray.kill(actor)


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield chunk


class PendingChunk(NamedTuple):
    """A chunk at an embedder, kept until its answer is here: one that is lost with a machine does not come back."""

    actor: Any
    name: str
    chunk: Any
    reference: Any

    def answer(self) -> NDArray[np.float32]:
        """The embeddings of the chunk."""
        reference = self.reference
        for _ in range(RESENDS):
            try:
                embeddings: NDArray[np.float32] = ray.get(reference)
            except (ObjectLostError, ActorUnavailableError):
                reference = self.actor.embed.remote(self.name, self.chunk)
            else:
                return embeddings
        return ray.get(reference)  # type: ignore[no-any-return]
