"""The job in Ray Data: `map_batches` over an actor for each core, which decodes with PyAV; see `peer_network`.

Decoding and embedding share an actor, so that no pixels pass through the object store.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import ray

from benchmarks.measure import cores
from benchmarks.peer_network import PeerNetwork, on_screen, peer_arguments


class Embedder:
    """A video at a time on one core."""

    def __init__(self, weights: str, precision: str) -> None:
        self.network = PeerNetwork(weights, precision, threads=1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The rows of the videos at `path`."""
        means, seconds = [], []
        for path in batch["path"]:
            times, frames = zip(*on_screen(path), strict=True)
            means.append(self.network(np.stack(frames)).mean(axis=0))
            seconds.append(list(times))
        return {"path": batch["path"], "mean": means, "seconds": seconds}


def main() -> None:
    """Run the job."""
    given = peer_arguments()
    ray.init(num_cpus=cores() + 1, include_dashboard=False)  # one more for the task that writes
    videos = ray.data.from_items([{"path": path} for path in given.paths], override_num_blocks=len(given.paths))
    rows = videos.map_batches(
        Embedder,
        fn_constructor_args=(given.weights, given.precision),
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=cores()),
    )
    rows.write_parquet(given.output)


if __name__ == "__main__":
    main()
