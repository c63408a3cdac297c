"""What the stream networks cost on one thread of a CPU: state, and CPU milliseconds a frame in each precision.

    python benchmarks/stream_networks.py [--models movinet-a0-stream …] [--repeats 5] [--json FILE]

Random weights, each network at its published size, as scoring has them (`cluster.scoring.stream_network`) with
`CHUNK_FRAMES` frames at a time, and as a live view has them, with one frame at a time. Of several repeats, the fastest:
CPU time, which other programs on the machine lengthen less than the clock's.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import write_json
from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.scoring.stream_network import CHUNK_FRAMES, StreamNetwork
from tests.support.clips import trained_clips

MODELS = tuple(f"movinet-a{size}-stream" for size in range(6))
PRECISIONS = ("fp32", "bf16")
CLIPS = {"frames": 1}  # for the statistics of batch norm; a stream network takes any number


@dataclass(frozen=True)
class Cost:
    """Of one network in one precision."""

    model: str
    precision: str
    state_mib: float
    chunked_milliseconds: float
    single_milliseconds: float


def measure(trained: TrainedClipClassifier, model: str, precision: str, repeats: int) -> Cost:
    """The cost a frame."""
    network = StreamNetwork(trained, precision)
    network.setup()
    form = trained.clips.format
    size = (CHUNK_FRAMES, form.height, form.width, form.channels)
    frames = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    _, state = network.watch(frames, {})
    milliseconds = {}
    for count in (CHUNK_FRAMES, 1):
        fastest = float("inf")
        network.watch(frames[:count], state)
        for _ in range(repeats):
            started = time.thread_time()
            for first in range(0, min(CHUNK_FRAMES, 4 * count), count):
                network.watch(frames[first : first + count], state)
            seen = min(CHUNK_FRAMES, 4 * count)
            fastest = min(fastest, 1000 * (time.thread_time() - started) / seen)
        milliseconds[count] = fastest
    state_mib = sum(value.numel() * value.element_size() for value in state.values()) / (1 << 20)
    return Cost(model, precision, state_mib, milliseconds[CHUNK_FRAMES], milliseconds[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    costs = []
    for model in arguments.models:
        trained = TrainedClipClassifier({model: trained_clips(model, classes=600, options=CLIPS)})
        for precision in PRECISIONS:
            cost = measure(trained, model, precision, arguments.repeats)
            print(
                f"{model} {precision}: state {cost.state_mib:.1f} MiB; ms a frame: {cost.chunked_milliseconds:.1f} "
                f"by {CHUNK_FRAMES} frames, {cost.single_milliseconds:.1f} one by one",
                flush=True,
            )
            costs.append(asdict(cost))
    write_json(arguments.json, costs)


if __name__ == "__main__":
    main()
