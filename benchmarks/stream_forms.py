"""Milliseconds a frame and size of the MoViNet stream networks in every form, on one core, beside reported figures.

    python benchmarks/stream_forms.py [--models movinet-a0-stream …] [--rounds 15] [--json FILE]

The forms are those in which scoring runs them (`exported_forms`), with random weights and 600 classes, and take turns,
frame by frame and `CHUNK_FRAMES` at a time as scoring does. Figures are medians of CPU time over the rounds. For each
network, what bounds it (`core_limits`). Returns 1 if the best form of a network takes longer than its goal.

Reported: TensorFlow Lite in int8 on a Pixel 4 and its file, and TensorFlow in fp32 on one x86 core, by the authors of
MoViNet (arXiv:2103.11511, and the model card on TensorFlow Hub).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.core_limits import Demand, demand_of, peak_rates, time_shares
from benchmarks.exported_forms import ONNX_FP32, ONNX_INT8, TORCH_BF16, TORCH_FP32, RunningForm, running_forms
from benchmarks.measure import alternating_cpu_seconds, write_json
from classifiers.clip_models.streaming import StreamModel
from classifiers.inference.clip_classifier import clip_model_of
from cluster.scoring.backends import StreamRunner
from cluster.scoring.stream_network import CHUNK_FRAMES
from tests.support.clips import trained_clips

CLASSES = 600
CLIPS = {"frames": 4}  # for the statistics of batch norm; a stream network takes any number
CALIBRATION_FRAMES = 8
PARTS = (1, CHUNK_FRAMES)
RATE_OF = {TORCH_FP32: "fp32", TORCH_BF16: "bf16", ONNX_FP32: "fp32", ONNX_INT8: "int8"}
# Milliseconds on a Pixel 4, on one x86 core in TensorFlow; MB of the file in int8.
REPORTED = {
    "movinet-a0-stream": (5, 16, 3.1),
    "movinet-a1-stream": (8, 33, 4.5),
    "movinet-a2-stream": (15, 66, 5.1),
}
GOAL_MILLISECONDS = {"movinet-a0-stream": 8.0, "movinet-a2-stream": 30.0}


def watch(network: StreamRunner, frames: NDArray[np.uint8], part: int) -> None:
    """Watch frames, `part` of them at a time."""
    state: dict[str, torch.Tensor] = {}
    for start in range(0, len(frames), part):
        _, state = network.watch(frames[start : start + part], state)


def milliseconds(
    forms: Mapping[str, RunningForm], frames: NDArray[np.uint8], rounds: int
) -> dict[str, dict[int, float]]:
    """CPU milliseconds a frame by form, and by the number of frames at a time."""
    contenders: dict[str, Callable[[], None]] = {
        f"{name}/{part}": partial(watch, form.network, frames, part) for part in PARTS for name, form in forms.items()
    }
    seconds, _ = alternating_cpu_seconds(contenders, rounds)
    return {name: {part: 1000 * seconds[f"{name}/{part}"] / len(frames) for part in PARTS} for name in forms}


def measure(model: str, rounds: int, peaks: Mapping[str, float]) -> dict[str, Any]:
    """All figures of one network."""
    checkpoint = trained_clips(model, classes=CLASSES, options=CLIPS)
    network = clip_model_of(checkpoint)
    assert isinstance(network, StreamModel)
    form = network.clip_format
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 256, (CHUNK_FRAMES, form.height, form.width, 3), np.uint8)
    forms = running_forms(checkpoint, [frames[:CALIBRATION_FRAMES]])
    spent = milliseconds(forms, frames, rounds)
    demand = demand_of(network)
    return {
        "milliseconds": spent,
        "megabytes": {name: one.size_bytes / 1e6 for name, one in forms.items()},
        "operations": demand.operations,
        "depthwise_share_of_operations": demand.depthwise_share,
        "bytes": {
            "weights": demand.weight_bytes,
            "activations": demand.activation_bytes,
            "state": demand.state_bytes,
        },
        "share_of_peak": {name: _rate(demand, spent[name][1]) / peaks[RATE_OF[name]] for name in forms},
        "time_shares": {name: time_shares(forms[name].content) for name in (ONNX_FP32, ONNX_INT8)},
    }


def _rate(demand: Demand, milliseconds_a_frame: float) -> float:
    return demand.operations / (milliseconds_a_frame / 1000)


def show(model: str, found: Mapping[str, Any]) -> None:
    """Print the figures of one network."""
    phone, x86, size = REPORTED[model]
    spent = found["milliseconds"]
    print(f"\n{model}: reported {phone} ms (Pixel 4, int8), {x86} ms (TensorFlow, one x86 core); {size} MB in int8")
    print(f"{'':<12}{'ms a frame':>12}{f'of {CHUNK_FRAMES} at once':>16}{'ratio':>8}{'MB':>8}{'of the peak':>13}")
    for name, by_part in spent.items():
        ratio = by_part[1] / spent[TORCH_FP32][1]
        print(
            f"{name:<12}{by_part[1]:>12.1f}{by_part[CHUNK_FRAMES]:>16.1f}{ratio:>8.2f}{found['megabytes'][name]:>8.1f}"
            f"{found['share_of_peak'][name]:>13.1%}"
        )
    traffic = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in found["bytes"].items())
    print(
        f"a frame: {found['operations'] / 1e6:.0f} million operations, {found['depthwise_share_of_operations']:.0%} of "
        f"them in depthwise convolutions; {traffic}"
    )
    for name, shares in found["time_shares"].items():
        print(f"time of {name}: {', '.join(f'{kind} {share:.0%}' for kind, share in shares.items())}")


def main() -> int:
    """Measure and print; returns 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=tuple(REPORTED), default=tuple(REPORTED), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    peaks = peak_rates()
    print(f"peak of matrix products: {', '.join(f'{name} {rate / 1e9:.0f} GFLOP/s' for name, rate in peaks.items())}")
    results: dict[str, Any] = {"peak_operations_per_second": peaks, "networks": {}}
    missed = []
    for model in options.models:
        found = results["networks"][model] = measure(model, options.rounds, peaks)
        show(model, found)
        write_json(options.json, results)
        best = min(by_part[1] for by_part in found["milliseconds"].values())
        if best > GOAL_MILLISECONDS.get(model, best):
            missed.append(f"{model} takes {best:.1f} ms, its goal is {GOAL_MILLISECONDS[model]:g} ms")
    print(f"\n{'; '.join(missed) or 'all goals met'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
