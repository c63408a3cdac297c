"""Nodes, runs, requests and money of an extraction of any size, from rates that other commands have printed.

    python benchmarks/scale.py --videos 6_100_000 --seconds 206
    python benchmarks/scale.py --videos 100_000_000 --seconds 2 --in-tars

Nothing is measured here. `--decode-rate` and `--embed-rate` are the frames/s of one core from `--dry-run`, on your own
videos; `--driver-milliseconds` and `--busy` are from `benchmarks/simulation.py`; prices are your provider's.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from benchmarks.simulation import BYTES_PER_SECOND, DIM, STORE_REQUESTS_PER_SECOND
from cluster.storage.range_reader import requests_of
from schemas.features import AUDIO_DIM

DRIVER_SHARE = 0.5  # of its time that a driver is planned to be busy
REQUEST_SHARE = 0.5  # of what a store's prefixes answer


@dataclass(frozen=True)
class Scale:
    """What a run takes; rates are of a second."""

    frames: float
    read_bytes: float
    requests: float
    videos_rate: float
    core_hours: float
    decode_core_hours: float
    gpu_hours: float
    nodes: int
    gpus: int
    feeding_nodes: int
    runs: int
    prefixes: int
    written_bytes: float


def scale_of(given: argparse.Namespace) -> Scale:
    """The sizes for what is given."""
    frames = given.videos * given.seconds
    size_bytes = int(given.seconds * BYTES_PER_SECOND)
    requests = given.videos * requests_of(size_bytes, in_tar=given.in_tars)
    time_seconds = given.hours * 3600
    decode, embed, on_gpu = (frames / rate / 3600 for rate in (given.decode_rate, given.embed_rate, given.gpu_rate))
    node_hours = given.hours * given.node_cores * given.busy
    videos_rate = given.videos / time_seconds
    row_bytes = 4 * (DIM + AUDIO_DIM) + 200
    return Scale(
        frames=frames,
        read_bytes=given.videos * size_bytes,
        requests=requests,
        videos_rate=videos_rate,
        core_hours=decode + embed,
        decode_core_hours=decode,
        gpu_hours=on_gpu,
        nodes=math.ceil((decode + embed) / node_hours),
        gpus=math.ceil(on_gpu / given.hours / given.busy),
        feeding_nodes=math.ceil(decode / node_hours),
        runs=math.ceil(videos_rate * given.driver_milliseconds / 1e3 / DRIVER_SHARE),
        prefixes=math.ceil(requests / time_seconds / STORE_REQUESTS_PER_SECOND / REQUEST_SHARE),
        written_bytes=given.videos * row_bytes + (DIM + AUDIO_DIM) * frames * given.frame_features,
    )


def main() -> None:
    """Calculate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="mean length; a frame of each second is embedded")
    parser.add_argument("--in-tars", action="store_true", help="the videos are packed into tars")
    parser.add_argument("--frame-features", action="store_true", help="features of each frame are kept")
    parser.add_argument("--hours", type=float, default=8.0, help="of the night")
    parser.add_argument("--decode-rate", type=float, default=166.0, help="frames a second, on one core")
    parser.add_argument("--embed-rate", type=float, default=11.8, help="likewise")
    parser.add_argument("--gpu-rate", type=float, default=2561.0, help="frames a second that a GPU embeds")
    parser.add_argument("--node-cores", type=int, default=16)
    parser.add_argument("--busy", type=float, default=0.85, help="share of the time that cores and GPUs are busy")
    parser.add_argument("--driver-milliseconds", type=float, default=5.0, help="of the driver for each video")
    parser.add_argument("--price-core-hour", type=float, default=0.04)
    parser.add_argument("--price-gpu-hour", type=float, default=2.0)
    parser.add_argument("--price-million-requests", type=float, default=0.4)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    scale = scale_of(given)
    feeding = scale.decode_core_hours * given.price_core_hour
    on_gpus = scale.gpu_hours * given.price_gpu_hour
    print(f"read      {scale.read_bytes / 1e12:,.1f} TB by {scale.requests:,.0f} requests, ", end="")
    print(f"{scale.requests / given.hours / 3600:,.0f} a second: over {scale.prefixes} prefixes")
    print(f"write     {scale.written_bytes / 1e9:,.1f} GB of features")
    print(f"embed     {scale.frames:,.0f} frames of {scale.videos_rate:,.0f} videos a second: {scale.runs} runs")
    print(f"cores     {scale.core_hours:,.0f} core hours: {scale.nodes} nodes of {given.node_cores} cores")
    print(f"GPUs      {scale.gpu_hours:,.0f} GPU hours and {scale.decode_core_hours:,.0f} core hours: ", end="")
    print(f"{scale.gpus} GPUs, {scale.feeding_nodes} nodes that feed them, ", end="")
    print(f"{given.gpu_rate / given.decode_rate:.0f} cores a GPU")
    print(f"cost      {scale.core_hours * given.price_core_hour:,.0f} on cores alone, ", end="")
    print(
        f"{feeding + on_gpus:,.0f} with GPUs; {scale.requests / 1e6 * given.price_million_requests:,.2f} for requests"
    )
    write_json(given.json, asdict(scale))


if __name__ == "__main__":
    main()
