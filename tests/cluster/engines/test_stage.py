"""A stage that needs no network is one all the same."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.engines.stage import NetworklessStage
from cluster.engines.video_worker import VideoWorker


@dataclass(frozen=True)
class Counter(NetworklessStage):
    """A stage with a field of its own."""

    start: int
    result_type: type[int] = int


def test_it_has_no_network_and_stays_as_it_is() -> None:
    worker = VideoWorker(Counter(3), 1 << 20, 1.0)  # type: ignore[type-var]  # it is never called
    assert worker.networks == {}
    assert worker.with_networks({}).stage == Counter(3)
    worker.setup()
