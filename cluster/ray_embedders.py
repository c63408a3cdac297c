"""A pool of embedders apart from the workers that decode: networks on GPUs, batches filled across videos.

A worker's frames travel in chunks through the object store, uint8, already cut down to what the network reads. It has
at most a few chunks on their way, so memory stays bounded however long the video is. An embedder takes whatever chunks
are waiting, from any worker, as one batch.

An embedder that dies is started again by Ray, on another machine if need be, and its chunks are sent again; the workers
notice nothing but the wait.
"""

from __future__ import annotations

import os
import queue
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import ActorUnavailableError, ObjectLostError
from torch import Tensor

from cluster.ray_cluster import FileCopies, cluster_size
from extractors.embedders import AudioEmbedder, Embedder, FrameEmbedder
from extractors.extract import Extractor
from extractors.image_input import PreparedFrame

CHUNK_ROWS = 32
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
    """Runs an embedder in one thread over whatever many callers have brought."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
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
                embeddings = self._embedder.embed_prepared([row for rows, _ in calls for row in rows])
            except Exception as error:
                for _, future in calls:
                    future.set_exception(error)
                continue
            start = 0
            for rows, future in calls:
                future.set_result(embeddings[start : start + len(rows)])
                start += len(rows)


class EmbedderActor:
    """Both networks on one GPU, or on one CPU core."""

    def __init__(self, frames: FrameEmbedder, sound: AudioEmbedder, files: FileCopies) -> None:
        # Rows lie read-only in the object store, and are only read.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        files.restore()
        frames.setup()
        sound.setup()
        self._variant = frames.variant
        self._frames, self._sound = Batcher(frames), Batcher(sound)

    def variant(self) -> str:
        """Which Inception this is; answers once the networks are loaded."""
        return self._variant

    def embed_frames(self, rows: list[PreparedPixels]) -> NDArray[np.float32]:
        """Embeddings (N, D) of prepared frames."""
        return self._frames.embed([PreparedFrame(torch.from_numpy(row.pixels), row.height, row.width) for row in rows])

    def embed_sound(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings (N, 128) of prepared windows (N, 96, 64)."""
        return self._sound.embed(list(torch.from_numpy(rows)))


class RemoteFrames(FrameEmbedder):
    """A frame embedder whose network is in the pool."""

    def __init__(self, local: FrameEmbedder, variant: str, actors: list[Any]) -> None:
        super().__init__(local.config)
        self.prepare_for(variant)
        self._actors = actors

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
        return _embed_in_pool(chunks, [actor.embed_frames for actor in self._actors], self.dim)


class RemoteSound(AudioEmbedder):
    """A sound embedder whose network is in the pool."""

    def __init__(self, local: AudioEmbedder, actors: list[Any]) -> None:
        super().__init__(local.config)
        self._actors = actors

    def __getstate__(self) -> dict[str, Any]:
        """Everything: the handles of the pool travel."""
        return self.__dict__

    def setup(self) -> None:
        """Nothing to load: the network is elsewhere."""

    def embed_prepared(self, examples: Iterable[Tensor]) -> NDArray[np.float32]:
        """Prepared windows, each (96, 64), to embeddings (N, 128)."""
        chunks = (np.stack([row.numpy() for row in chunk]) for chunk in _chunks(examples))
        return _embed_in_pool(chunks, [actor.embed_sound for actor in self._actors], self.dim)


class EmbedderPool:
    """The embedders of a run: one actor a GPU, or on CPU cores where there is none."""

    def __init__(self, extractor: Extractor, files: FileCopies, count: int) -> None:
        on_gpu = cluster_size().gpus > 0
        self.cpus = 0 if on_gpu else count
        actor = ray.remote(EmbedderActor).options(
            num_gpus=1 if on_gpu else 0,
            num_cpus=0 if on_gpu else 1,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=CALLS_AT_ONCE,
        )
        self._actors = [actor.remote(extractor.frames, extractor.sound, files) for _ in range(count)]
        self._variant: str = ray.get(self._actors[0].variant.remote())

    def proxied(self, extractor: Extractor) -> Extractor:
        """The same extractor, its networks replaced by the pool's."""
        frames = RemoteFrames(extractor.frames, self._variant, self._actors)
        return Extractor(extractor.sampling, frames, RemoteSound(extractor.sound, self._actors))

    def close(self) -> None:
        """Stop the actors."""
        for actor in self._actors:
            ray.kill(actor)


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield chunk


class _Sent(NamedTuple):
    """A chunk at an embedder, kept until its answer is here: one that is lost with a machine does not come back."""

    call: Any
    chunk: Any
    reference: Any

    def answer(self) -> NDArray[np.float32]:
        """The embeddings of the chunk."""
        reference = self.reference
        for _ in range(RESENDS):
            try:
                embeddings: NDArray[np.float32] = ray.get(reference)
            except (ObjectLostError, ActorUnavailableError):
                reference = self.call.remote(self.chunk)
            else:
                return embeddings
        return ray.get(reference)  # type: ignore[no-any-return]


def _embed_in_pool(chunks: Iterable[Any], calls: list[Any], dim: int) -> NDArray[np.float32]:
    """Send chunks to the embedders in turn, few at a time; the embeddings in the order of the chunks."""
    turn = os.getpid()  # workers start at different embedders
    on_their_way: deque[_Sent] = deque()
    embeddings: list[NDArray[np.float32]] = []
    for number, chunk in enumerate(chunks):
        if len(on_their_way) == CHUNKS_ON_THEIR_WAY:
            embeddings.append(on_their_way.popleft().answer())
        call = calls[(turn + number) % len(calls)]
        on_their_way.append(_Sent(call, chunk, call.remote(chunk)))
    embeddings += [sent.answer() for sent in on_their_way]
    return np.concatenate(embeddings) if embeddings else np.zeros((0, dim), np.float32)
