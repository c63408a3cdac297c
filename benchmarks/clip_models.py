"""Every clip classifier at its published size, as a Markdown table: parameters, operations, seconds per clip, accuracy.

    python benchmarks/clip_models.py [--models c3d i3d …] [--threads 2] [--repeats 3] [--json FILE]

Seconds are the median over several clips, one at a time, from pixels to logits in fp32, with random weights and the
convolutions that scoring uses. A multiplication and its addition count as two operations.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import cores, write_json
from classifiers.clip_models.registry import build_clip_model, clip_model_entry, clip_model_names
from classifiers.layers.direct_conv import DirectConv3d

COLUMNS = ("model", "clip", "parameters (classes)", "GFLOPs", "seconds a clip", "published top-1")


def seconds_per_clip(name: str, repeats: int) -> tuple[float, float]:
    """Median seconds of one clip, and its GFLOPs."""
    entry = clip_model_entry(name)
    model = build_clip_model(name, num_classes=entry.classes).eval()
    form = model.clip_format
    clip = torch.zeros(1, form.frames, form.height, form.width, form.channels, dtype=torch.uint8)
    seconds = []
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            model(clip)
        for module in model.modules():
            if isinstance(module, nn.Conv3d):
                DirectConv3d.replace(module)
        for _ in range(repeats + 1):
            started = time.perf_counter()
            model(clip)
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:]), counter.get_total_flops() / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=clip_model_names(), default=clip_model_names(), metavar="NAME")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    found = {}
    for name in options.models:
        entry = clip_model_entry(name)
        form = entry.config.clip_format()
        seconds, gflops = seconds_per_clip(name, options.repeats)
        found[name] = {"parameters": entry.parameters, "gflops": gflops, "seconds_per_clip": seconds}
        accuracy = entry.accuracy
        published = "none" if accuracy is None else f"{accuracy.percent:g} %, {accuracy.dataset} ({accuracy.source})"
        size = f"{form.frames} x {form.height} x {form.width}"
        parameters = f"{entry.parameters:,} ({entry.classes})"
        print(f"| {name} | {size} | {parameters} | {gflops:.1f} | {seconds:.2f} | {published} |", flush=True)
    write_json(options.json, {"threads": options.threads, "models": found})


if __name__ == "__main__":
    main()
