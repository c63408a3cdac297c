"""The job in Daft: `read_video_frames`, a batch UDF in a process for each core, means by group; see `peer_network`.

Videos are read one after the other: on two cores, Daft 0.7.26 waits for ever where two are read at the same time, since
each read occupies a thread that the other needs. Its reads share one Python thread in any case.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["DAFT_SCANTASK_MAX_PARALLEL"] = "1"  # read when Daft is imported

import daft
import numpy as np
from daft import DataType, col
from numpy.typing import NDArray

from benchmarks.measure import cores
from benchmarks.peer_network import BATCH_FRAMES, PeerNetwork, peer_arguments
from extractors.networks.sizes import FEATURE_DIM, IMAGE_SIZE

FEATURE = DataType.fixed_size_list(DataType.float32(), FEATURE_DIM)


@daft.cls(max_concurrency=cores(), use_process=True)
class Embedder:
    """Inception on one core."""

    def __init__(self, weights: str, precision: str) -> None:
        self.network = PeerNetwork(weights, precision, threads=1)

    @daft.method.batch(return_dtype=FEATURE, batch_size=BATCH_FRAMES)  # type: ignore[untyped-decorator]
    def embed(self, images: daft.Series) -> list[NDArray[np.float32]]:
        """Frames to features."""
        return [*self.network(np.stack(images.to_pylist()))]


@daft.func.batch(return_dtype=FEATURE)  # type: ignore[untyped-decorator]
def mean_of(features: daft.Series) -> list[NDArray[np.float32]]:
    """Lists of features to their means."""
    return [np.stack(each).mean(axis=0) for each in features.to_pylist()]


def main() -> None:
    """Run the job."""
    given = peer_arguments()
    embedder = Embedder(given.weights, given.precision)
    frames = daft.read_video_frames(
        given.paths, image_height=IMAGE_SIZE, image_width=IMAGE_SIZE, sample_interval_seconds=1
    )
    features = frames.select("path", "frame_time", embedder.embed(col("data")).alias("feature"))
    videos = features.groupby("path").agg(col("feature").list_agg(), col("frame_time").list_agg().alias("seconds"))
    Path(given.output).mkdir(parents=True, exist_ok=True)
    videos.select("path", mean_of(col("feature")).alias("mean"), "seconds").write_parquet(given.output)


if __name__ == "__main__":
    main()
