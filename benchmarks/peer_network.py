"""What the peers share: the network in the form that a good user gives it, frames on the grid, and the rows they write.

The network has the weights and the precision of ours, in torch's own form: eager, channels-last, batches of 8, the
fastest of its batch sizes on a core. Frames are resized to its input by the peer's decoder.

The job is one frame a second through Inception, and their mean. A peer is a script that `peers.py` starts in an
environment of the peer's own (`peer_environments`), with the arguments `PATHS WEIGHTS PRECISION OUTPUT`: a file with
one video a line, a `.safetensors` file of Inception whose metadata name the variant, `bf16` or `fp32`, and a folder
that receives Parquet: `path`, `mean` (2048,), `seconds` of the frames by their own timestamps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file

from extractors.networks.inception import VARIANTS
from extractors.networks.sizes import FEATURE_DIM, IMAGE_SIZE

BATCH_FRAMES = 8
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}
VARIANT = "variant"  # of the network, in the metadata of its file

Frames = NDArray[np.uint8]  # (N, 299, 299, 3)


def peer_arguments() -> argparse.Namespace:
    """`paths` as a list, `weights`, `precision`, `output`, of the command line."""
    parser = argparse.ArgumentParser()
    for name in ("paths", "weights", "precision", "output"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    arguments.paths = Path(arguments.paths).read_text().splitlines()
    return arguments


class PeerNetwork:
    """Inception: frames uint8 (N, 299, 299, 3) to float32 (N, 2048)."""

    def __init__(self, weights: str, precision: str, threads: int) -> None:
        torch.set_num_threads(threads)
        with safe_open(weights, "pt") as file:
            variant = file.metadata()[VARIANT]
        self._network = VARIANTS[variant]().eval()
        self._network.load_state_dict(load_file(weights))
        self._dtype = PRECISIONS[precision]
        self._network.to(self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, frames: Frames) -> NDArray[np.float32]:
        """The features of the frames."""
        features = [np.zeros((0, FEATURE_DIM), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(frames), BATCH_FRAMES):
                rows = torch.from_numpy(frames[start : start + BATCH_FRAMES]).permute(0, 3, 1, 2)  # (B, 3, S, S)
                inputs = rows.to(self._dtype, memory_format=torch.channels_last).sub_(128).div_(128)
                features.append(self._network.forward_features(inputs).float().numpy())
        return np.concatenate(features)


def on_screen(path: str) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """The frames on screen at whole seconds after the first one, with their timestamps, by a full decode with PyAV."""
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        shown: Any = None
        origin, second, end = 0.0, 0, 0.0
        for frame in container.decode(stream):
            if shown is None:
                origin = frame.time or 0.0
            while shown is not None and frame.time is not None and frame.time - origin > second:
                yield shown.time, _resized(shown)
                second += 1
            shown = frame
            end = (frame.time or 0.0) + float((frame.duration or 0) * (frame.time_base or 0))
        while shown is not None and origin + second < max(end, shown.time + 1e-9):
            yield shown.time, _resized(shown)
            second += 1


def _resized(frame: Any) -> NDArray[np.uint8]:
    resized: NDArray[np.uint8] = frame.reformat(IMAGE_SIZE, IMAGE_SIZE, "rgb24").to_ndarray()
    return resized
