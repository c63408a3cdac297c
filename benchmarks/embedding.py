"""Embedding throughput on the CPU: `python benchmarks/embedding.py [--json PATH]`.

Inception in the common form (eager, float32, NCHW, batch norm not folded) and in ours. Each round times every form and
batch size once, and the matrix products, so that load from other programs affects all of them; medians are compared.
One thread is timed in CPU seconds, on which other programs have little effect, several threads by the clock.

Operations are counted from the network, a multiplication and an addition as two. The machine's peak is the best of
several matrix products on packed operands in the same arithmetic. A share above 100 % is possible: taps that fall on
the padding are counted but not computed. Weights are random, since speed does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from extractors.loaded_networks import CPU_STEM_FRAMES, LoadedInception
from extractors.networks.cpu_precision import has_cpu_bf16, has_cpu_int8
from extractors.networks.image_input import IMAGE_INPUTS
from extractors.networks.inception import InceptionV3
from extractors.networks.inference_form import to_inference_form
from extractors.networks.log_mel import WINDOW_SAMPLES, log_mel
from extractors.networks.precision import PRECISIONS
from extractors.networks.quantized_form import QuantizedInception
from extractors.weights.pretrained import build_inception, build_vggish
from extractors.weights.resolve import ResolvedWeights

BATCHES = (1, 4, 8, 16)
MATRICES = ((1024, 1024, 1024), (2048, 1024, 1024), (4096, 2048, 512), (2048, 2048, 2048))  # rows, inner, columns
EAGER = "eager fp32 NCHW"
Call = Callable[[], object]


def clock() -> float:
    """CPU seconds of a process with one thread, else seconds by the clock."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def median_seconds(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Median duration of each call over rounds that run each once, after a warm-up round."""
    durations: dict[str, list[float]] = defaultdict(list)
    for warm in (False, *[True] * rounds):
        for name, call in calls.items():
            start = clock()
            call()
            if warm:
                durations[name].append(clock() - start)
    return {name: statistics.median(seconds) for name, seconds in durations.items()}


def cpu_precisions() -> list[str]:
    """The precisions that this CPU multiplies in hardware."""
    return ["fp32", *["bf16"] * has_cpu_bf16(), *["int8"] * has_cpu_int8()]


def product(precision: str, rows: int, inner: int, columns: int) -> Call:
    """One matrix product on operands that oneDNN has packed beforehand."""
    generator = torch.Generator().manual_seed(0)
    if precision == "int8":
        levels = torch.randint(0, 255, (rows, inner), dtype=torch.uint8, generator=generator)
        weight = torch.randint(-127, 127, (columns, inner), dtype=torch.int8, generator=generator)
        packed = torch.ops.onednn.qlinear_prepack(weight, [rows, inner])
        scales, zeros = torch.ones(columns), torch.zeros(columns, dtype=torch.int64)
        return lambda: torch.ops.onednn.qlinear_pointwise(
            levels, 1.0, 0, packed, scales, zeros, None, 1e4, 0, torch.uint8, "none", [], ""
        )
    left = torch.randn(rows, inner, generator=generator).to(PRECISIONS[precision])
    right = torch.randn(columns, inner, generator=generator).to(PRECISIONS[precision])
    packed = torch.ops.mkldnn._reorder_linear_weight(right, rows)
    return lambda: torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], "")


def forms(weights: ResolvedWeights) -> dict[str, Callable[[Tensor], Tensor]]:
    """Functions from float32 NCHW images to features, by name; ours include the conversion to their layout."""
    eager, _ = build_inception(weights)
    made: dict[str, Callable[[Tensor], Tensor]] = {EAGER: eager.forward_features}
    for precision in cpu_precisions():
        trained, _ = build_inception(weights)
        network: InceptionV3 | QuantizedInception = (
            QuantizedInception(trained)
            if precision == "int8"
            else to_inference_form(trained, dtype=PRECISIONS[precision])
        )
        made[f"ours {precision}"] = partial(run_ours, network, LoadedInception.row_types[precision])
    return made


def run_ours(network: InceptionV3 | QuantizedInception, dtype: torch.dtype, images: Tensor) -> Tensor:
    """As an embedder runs it: rows in the network's type and layout."""
    rows = images.to(dtype, memory_format=torch.channels_last)
    return network.forward_features(rows, stem_frames=CPU_STEM_FRAMES)


def other_calls() -> dict[str, tuple[Call, int]]:
    """Other costs per item, each with the number of items in one call."""
    calls: dict[str, tuple[Call, int]] = {}
    for variant, image_input in IMAGE_INPUTS.items():
        for height, width in ((360, 640), (1080, 1920)):
            frame = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
            calls[f"resize {variant}, {height}p frame"] = partial(image_input.direct, frame), 1
    windows = np.random.default_rng(0).uniform(-1, 1, (16, WINDOW_SAMPLES)).astype(np.float32)
    calls["log-mel, window"] = partial(log_mel, windows), 16
    for precision in ("fp32", "bf16") if has_cpu_bf16() else ("fp32",):
        sound = to_inference_form(
            build_vggish(ResolvedWeights("sound", "random:0", seed=0)), dtype=PRECISIONS[precision]
        )
        calls[f"VGGish {precision}, window of 16"] = partial(sound, log_mel(windows).to(PRECISIONS[precision])), 16
    return calls


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="timings per figure, of which the median is taken")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES), help="frames per batch")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    weights = ResolvedWeights("frames", "random:0", seed=0)
    images = torch.rand(max(arguments.batches), 3, 299, 299, generator=torch.Generator().manual_seed(0)) * 2 - 1

    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            build_inception(weights)[0].forward_features(images[:1])
        flops_per_frame = int(counter.get_total_flops())
        calls: dict[str, Call] = {
            f"{name}|{batch}": partial(form, images[:batch])
            for name, form in forms(weights).items()
            for batch in arguments.batches
        }
        products = {f"{p}|{'x'.join(map(str, m))}": product(p, *m) for p in cpu_precisions() for m in MATRICES}
        seconds = median_seconds({**calls, **products}, arguments.rounds)
        others = other_calls()
        other_seconds = median_seconds({name: call for name, (call, _) in others.items()}, 3 * arguments.rounds)

    peaks = {
        p: max(2 * m[0] * m[1] * m[2] / seconds[f"{p}|{'x'.join(map(str, m))}"] for m in MATRICES)
        for p in cpu_precisions()
    }
    best_eager = max(batch / seconds[f"{EAGER}|{batch}"] for batch in arguments.batches)
    rows = []
    for key in calls:
        name, batch = key.split("|")
        rate = int(batch) / seconds[key]
        rows.append(
            {
                "network": name,
                "batch": int(batch),
                "frames_per_second": rate,
                "flops_per_second": rate * flops_per_frame,
                "of_peak": rate * flops_per_frame / peaks[name.split()[1]],
                "to_eager_same_batch": rate * seconds[f"{EAGER}|{batch}"] / int(batch),
                "to_eager_best_batch": rate / best_eager,
            }
        )
    per_item = {name: other_seconds[name] / items for name, (_, items) in others.items()}

    measure = "CPU seconds" if arguments.threads == 1 else "seconds by the clock"
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), {measure}, medians of {arguments.rounds} rounds")
    print(f"Inception v3: {flops_per_frame / 1e9:.2f} GFLOP/frame")
    print("matrix product: " + ", ".join(f"{p} {peak / 1e9:.0f} GFLOP/s" for p, peak in peaks.items()) + "\n")
    print(f"{'network':<18}{'batch':>6}{'frames/s':>10}{'GFLOP/s':>9}{'of peak':>9}{'x eager':>9}{'x best eager':>14}")
    for row in rows:
        print(
            f"{row['network']:<18}{row['batch']:>6}{row['frames_per_second']:>10.1f}"
            f"{float(row['flops_per_second']) / 1e9:>9.0f}{row['of_peak']:>9.0%}"
            f"{row['to_eager_same_batch']:>9.2f}{row['to_eager_best_batch']:>14.2f}"
        )
    print("\nper item, milliseconds:")
    for name, value in per_item.items():
        print(f"  {name}: {value * 1e3:.2f}")
    if arguments.json:
        figures = {
            "torch": torch.__version__,
            "machine": platform.machine(),
            "threads": arguments.threads,
            "rounds": arguments.rounds,
            "flops_per_frame": flops_per_frame,
            "peak_flops_per_second": peaks,
            "networks": rows,
            "seconds_per_item": per_item,
        }
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
