"""Joining clusters, watching their machines come and go, and bringing files to them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.engines.base import Resources
from cluster.engines.ray_cluster import ClusterSize, ClusterWatch, FileCopies, Places, cluster_size, join_cluster
from tests.support.clusters import Nodes, running_cluster

BOTH = ClusterSize(nodes=2, cpus=8, gpus=2)


class Busy:
    """An actor that its machine cannot leave without."""

    def greet(self) -> None:
        """Answer, once it is there."""


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with running_cluster() as nodes:
        nodes.add()
        join_cluster(nodes.address)
        try:
            yield nodes
        finally:
            ray.shutdown()


def looks_until(watch: ClusterWatch, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not holds() and time.monotonic() < deadline:
        watch.look()
        time.sleep(0.1)
    return holds()


def test_a_cluster_is_started_once_and_leaves_the_environment_as_it_was() -> None:
    before = dict(os.environ)
    assert join_cluster(None)
    try:
        assert not join_cluster(None)
        assert cluster_size().cpus >= 1
        assert {key: value for key, value in os.environ.items() if key in before} == before
        assert "GOMP_SPINCOUNT" not in os.environ.keys() - before.keys()
    finally:
        ray.shutdown()


def test_machines_that_come_drain_and_go(nodes: Nodes) -> None:
    watch = ClusterWatch()
    assert watch.size == ClusterSize(nodes=2, cpus=1, gpus=0)  # the head among them, which has no core
    spot = nodes.add(cpus=2)
    assert looks_until(watch, lambda: watch.size.cpus == 3)
    assert not watch.is_leaving(spot.node_id)
    there = NodeAffinitySchedulingStrategy(spot.node_id, soft=False)
    busy = ray.remote(Busy).options(num_cpus=1, scheduling_strategy=there).remote()
    ray.get(busy.greet.remote())  # an idle machine would leave at once
    nodes.announce_preemption(spot, deadline_seconds=600)
    assert looks_until(watch, lambda: spot.node_id in watch.draining)
    assert watch.is_leaving(spot.node_id)
    assert watch.size.cpus == 1
    assert spot.node_id not in watch.gone
    nodes.terminate(spot)
    assert looks_until(watch, lambda: spot.node_id in watch.gone)
    assert watch.is_leaving(spot.node_id)


def test_it_looks_at_most_once_a_second(nodes: Nodes) -> None:
    watch = ClusterWatch()
    assert not watch.look()
    time.sleep(1.1)
    assert watch.look()


def test_files_reach_machines_that_lack_them(nodes: Nodes, tmp_path: Path) -> None:
    weights, folder = tmp_path / "a.safetensors", tmp_path / "pca"
    folder.mkdir()
    weights.write_bytes(b"weights")
    (folder / "mean.npy").write_bytes(b"mean")
    (folder / "nested").mkdir()
    copies = FileCopies.of([str(weights), str(folder)], needed=True)
    assert set(copies.contents) == {str(weights), str(folder / "mean.npy")}
    weights.unlink()
    (folder / "mean.npy").write_bytes(b"its own")
    ray.get(ray.remote(FileCopies.restore).remote(copies))
    assert weights.read_bytes() == b"weights"
    assert (folder / "mean.npy").read_bytes() == b"its own"
    assert FileCopies.of([str(weights)], needed=False).contents == {}


@pytest.mark.parametrize(
    ("resources", "on_gpus", "name", "placement", "count"),
    [
        (Resources(), True, "CPU core", {"num_cpus": 1}, 5),
        (Resources(cpus=2), False, "CPU core", {"num_cpus": 2}, 2),
        (Resources(gpus=1), True, "GPU", {"num_gpus": 1, "num_cpus": 0}, 2),
        (Resources(gpus=1), False, "CPU core", {"num_cpus": 1}, 5),
    ],
)
def test_places(resources: Resources, on_gpus: bool, name: str, placement: dict[str, int], count: int) -> None:
    places = Places(resources, embedder_cpus=3, on_gpus=on_gpus)
    assert (places.name, places.placement, places.count(BOTH)) == (name, placement, count)
    assert places.exist_in(BOTH)
    assert not places.exist_in(ClusterSize(nodes=1, cpus=0, gpus=0))


def test_cores_of_embedders_are_no_places() -> None:
    places = Places(Resources(), embedder_cpus=8, on_gpus=False)
    assert [places.exist_in(ClusterSize(nodes=1, cpus=cpus, gpus=0)) for cpus in (1, 7, 8, 9)] == [False] * 3 + [True]
    assert [places.count(ClusterSize(nodes=1, cpus=cpus, gpus=0)) for cpus in (1, 8, 9, 11)] == [0, 0, 1, 3]
