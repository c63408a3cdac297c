"""Networks in a pool give what they give beside the worker, whatever happens to the pool's processes."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cluster.engines.network_pool import Batcher, EmbedderPool
from cluster.engines.options import EngineOptions
from cluster.engines.ray import RayEngine
from cluster.engines.ray_cluster import FileCopies
from extractors.embedders import EmbedRows
from tests.support.clusters import command_of, descendants

CHUNK_ROWS = 4


class Squares:
    """A network that squares numbers, and knows how many rows it got at a time."""

    variant = ""
    chunk_rows = CHUNK_ROWS
    dim = 2

    def __init__(self, embed: EmbedRows | None = None) -> None:
        self._embed = embed
        self.batches: list[int] = []

    def setup(self) -> None:
        self.variant = "squares-2"

    def files(self) -> list[str]:
        return []

    def embed_prepared(self, rows: Iterable[int]) -> NDArray[np.float32]:
        if self._embed is not None:
            return self._embed(rows)
        numbers = list(rows)
        self.batches.append(len(numbers))
        if -1 in numbers:
            raise ValueError("no square of -1 here")
        return np.array([[number, number**2] for number in numbers], np.float32).reshape(-1, 2)

    @staticmethod
    def pack(rows: list[int]) -> NDArray[np.int64]:
        return np.array(rows)

    @staticmethod
    def unpack(chunk: NDArray[np.int64]) -> list[int]:
        return chunk.tolist()

    def proxy(self, embed: EmbedRows, variant: str) -> Squares:
        proxy = Squares(embed)
        proxy.variant = variant
        return proxy


@pytest.fixture(scope="module")
def pool() -> Iterator[EmbedderPool]:
    with closing(RayEngine(EngineOptions())):
        pool = EmbedderPool({"squares": Squares()}, FileCopies.of([], needed=False), 2)
        yield pool
        pool.close()


def squares(count: int) -> NDArray[np.float32]:
    return Squares().embed_prepared(range(count))


@pytest.mark.parametrize("count", [0, 1, CHUNK_ROWS, 10 * CHUNK_ROWS + 1])
def test_rows_of_any_number_come_back_in_order(pool, count):
    proxy = pickle.loads(pickle.dumps(pool.proxies["squares"]))
    np.testing.assert_array_equal(proxy.embed_prepared(iter(range(count))), squares(count))


def test_a_proxy_knows_the_variant_that_was_loaded(pool):
    assert pool.proxies["squares"].variant == "squares-2"


def test_an_error_of_the_network_reaches_the_worker(pool):
    with pytest.raises(ValueError, match="no square of -1 here"):
        pool.proxies["squares"].embed_prepared([3, -1])


def test_an_embedder_that_dies_is_restarted_and_loses_no_chunk(pool):
    def rows() -> Iterator[int]:
        for number in range(20 * CHUNK_ROWS):
            if number == 10 * CHUNK_ROWS:
                actors = [
                    process for process in descendants(os.getpid()) if "ray::EmbedderActor" in command_of(process)
                ]
                assert actors
                os.kill(actors[0], signal.SIGKILL)
            yield number

    np.testing.assert_array_equal(pool.proxies["squares"].embed_prepared(rows()), squares(20 * CHUNK_ROWS))


def test_chunks_that_wait_become_one_batch():
    network, has_begun, is_free = Squares(), threading.Event(), threading.Event()
    embed = network.embed_prepared

    def embed_when_free(rows: Iterable[Any]) -> NDArray[np.float32]:
        has_begun.set()
        assert is_free.wait(timeout=60)
        return embed(rows)

    network.embed_prepared = embed_when_free  # type: ignore[method-assign]
    batcher = Batcher(network)
    with ThreadPoolExecutor(8) as callers:
        futures = [callers.submit(batcher.embed, [0])]
        assert has_begun.wait(timeout=60)
        futures += [callers.submit(batcher.embed, [number]) for number in range(1, 8)]
        deadline = time.monotonic() + 60
        while batcher._waiting.qsize() < 7:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        is_free.set()
        found = [future.result() for future in futures]
    np.testing.assert_array_equal(np.concatenate(found), squares(8))
    assert network.batches == [1, 7]
