"""How fast frames are embedded on one CPU thread: `python benchmarks/embedding.py`.

Prints a table of frames/s by batch size for the network as everybody runs it (eager, float32, NCHW, batch norm apart)
and for ours, with the share of the bf16 (or fp32) matrix-product rate that the same process reaches in the same minute.
Medians of several runs; random weights, since speed does not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from extractors.image_input import IMAGE_INPUTS
from extractors.inference_form import to_inference_form
from extractors.log_mel import WINDOW_SAMPLES, log_mel
from extractors.precision import PRECISIONS, has_cpu_bf16
from extractors.pretrained import build_inception, build_vggish
from extractors.weights import ResolvedWeights

BATCHES = (1, 2, 4, 8, 16)
MATRIX_SIZE = 1024


def median_seconds(call: Callable[[], object], runs: int) -> float:
    """Median duration of a call, after one to warm up."""
    call()
    durations = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def matmul_flops(dtype: torch.dtype, runs: int) -> float:
    """Operations a second of a square matrix product."""
    a, b = (torch.randn(MATRIX_SIZE, MATRIX_SIZE).to(dtype) for _ in range(2))
    return 2 * MATRIX_SIZE**3 / median_seconds(lambda: a @ b, runs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, help="runs per figure; the median counts")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    weights = ResolvedWeights("frames", "random:0", seed=0)
    images = torch.rand(max(BATCHES), 3, 299, 299, generator=torch.Generator().manual_seed(0)) * 2 - 1

    with torch.inference_mode():
        eager, _ = build_inception(weights)
        with FlopCounterMode(display=False) as counter:
            eager.forward_features(images[:1])
        flops = counter.get_total_flops()
        print(f"Inception v3: {flops / 1e9:.2f} GFLOP/frame; torch {torch.__version__}, {arguments.threads} thread(s)")
        print(f"{'network':<24}{'batch':>6}{'frames/s':>10}{'GFLOP/s':>9}{'of matmul':>11}")
        forms = [("eager fp32 NCHW", "fp32", eager)]
        for precision in ("fp32", "bf16") if has_cpu_bf16() else ("fp32",):
            network, _ = build_inception(weights)
            forms.append((f"ours {precision}", precision, to_inference_form(network, dtype=PRECISIONS[precision])))
        for name, precision, network in forms:
            for batch in BATCHES:
                rows = images[:batch]
                if network is not eager:
                    rows = rows.to(PRECISIONS[precision]).contiguous(memory_format=torch.channels_last)
                seconds = median_seconds(partial(network.forward_features, rows), arguments.runs)
                rate = batch * flops / seconds
                share = rate / matmul_flops(PRECISIONS[precision], arguments.runs)
                print(f"{name:<24}{batch:>6}{batch / seconds:>10.1f}{rate / 1e9:>9.0f}{share:>11.0%}")

        print("\nper item, milliseconds:")
        for variant, image_input in IMAGE_INPUTS.items():
            for height, width in ((360, 640), (1080, 1920)):
                frame = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
                seconds = median_seconds(partial(image_input.here, frame), 5 * arguments.runs)
                print(f"  resize {variant}, {height}p frame: {seconds * 1e3:.2f}")
        windows = np.random.default_rng(0).uniform(-1, 1, (16, WINDOW_SAMPLES)).astype(np.float32)
        print(f"  log-mel, window: {median_seconds(partial(log_mel, windows), arguments.runs) / 16 * 1e3:.2f}")
        for precision in ("fp32", "bf16") if has_cpu_bf16() else ("fp32",):
            sound = to_inference_form(
                build_vggish(ResolvedWeights("sound", "random:0", seed=0)), dtype=PRECISIONS[precision]
            )
            examples = log_mel(windows).to(PRECISIONS[precision])
            seconds = median_seconds(partial(sound, examples), arguments.runs)
            print(f"  VGGish {precision}, window in a batch of 16: {seconds / 16 * 1e3:.2f}")


if __name__ == "__main__":
    main()
