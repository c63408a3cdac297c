"""The job as a DataLoader whose processes decode, by torchcodec or PyAV, and a loop that embeds; see `peer_network`.

Which decoder is the environment's: torchcodec where it is installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.measure import cores
from benchmarks.peer_network import Frames, PeerNetwork, on_screen, peer_arguments
from extractors.networks.sizes import IMAGE_SIZE

Decoded = tuple[str, Tensor, list[float]]


def by_torchcodec(path: str) -> tuple[Frames, list[float]]:
    """The frames on screen at whole seconds, and their timestamps."""
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    decoder = VideoDecoder(path, num_ffmpeg_threads=1, dimension_order="NHWC", transforms=[Resize([IMAGE_SIZE] * 2)])
    start, end = decoder.metadata.begin_stream_seconds, decoder.metadata.end_stream_seconds
    batch = decoder.get_frames_played_at(list(np.arange(start, end, 1.0)))
    return batch.data.numpy(), batch.pts_seconds.tolist()


def by_pyav(path: str) -> tuple[Frames, list[float]]:
    """The same, by a full decode."""
    times, frames = zip(*on_screen(path), strict=True)
    return np.stack(frames), list(times)


class Videos(Dataset[Decoded]):
    """The decoded frames of each video."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self.decode = by_torchcodec if find_spec("torchcodec") else by_pyav

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Decoded:
        torch.set_num_threads(1)
        frames, seconds = self.decode(self.paths[number])
        return self.paths[number], torch.from_numpy(frames), seconds


def main() -> None:
    """Run the job."""
    given = peer_arguments()
    network = PeerNetwork(given.weights, given.precision, threads=cores())
    means: list[NDArray[np.float32]] = []
    paths, seconds = [], []
    for path, frames, times in DataLoader(Videos(given.paths), batch_size=None, num_workers=cores()):
        means.append(network(frames.numpy()).mean(axis=0))
        paths.append(path)
        seconds.append(times)
    Path(given.output).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"path": paths, "mean": means, "seconds": seconds}), Path(given.output, "rows.parquet"))


if __name__ == "__main__":
    main()
