"""Throughput of clip classifiers on a device: clips/s, and the share of the measured peak rate.

For each model, precision and batch size: the network on prepared clips in device memory, in two layouts; the whole path
from uint8 pixels to logits; and a training step, forward and backward without the optimizer, with fp32 weights.

Operations are counted on the meta device, a multiplication and its addition as two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_bench import Bench
from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model, clip_model_entry
from extractors.networks.precision import PRECISIONS

# One of each family; of MoViNets, which come in many sizes, the smallest and the largest.
FAMILIES = (
    "c3d",
    "i3d",
    "s3d",
    "r3d-18",
    "mc3-18",
    "r2plus1d-18",
    "p3d-63",
    "fast3d-18",
    "movinet-a0",
    "movinet-a5",
)
CLIP_BATCHES = {"cuda": (8, 32), "cpu": (2,)}
# A CPU runs small models, to try the script out: clips of published sizes take seconds each.
SMALL = {"frames": 16, "height": 32, "width": 32, "width_factor": 0.125}
FROM_PIXELS, TRAINING_STEP = "from pixels", "training step"

Row = dict[str, Any]
Call = Callable[[], object]


def built(name: str, bench: Bench) -> ClipModel:
    """A model of the published size with random weights; a small one on a CPU."""
    options = None if bench.is_cuda else SMALL
    return build_clip_model(name, num_classes=clip_model_entry(name).classes, options=options)


def clips_for(model: ClipModel, batch: int, device: torch.device) -> Tensor:
    """Clips of noise, uint8 (N, T, H, W, C)."""
    form = model.clip_format
    shape = (batch, form.frames, form.height, form.width, form.channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, device=device)


def flops_per_clip(name: str, bench: Bench, *, training: bool) -> int:
    """Operations per clip; in training with the backward pass."""
    with torch.inference_mode(mode=False), torch.set_grad_enabled(training), FlopCounterMode(display=False) as counter:
        model = built(name, bench).to("meta").train(training)
        logits = model(clips_for(model, 2, torch.device("meta")))  # two, so that one value a channel can be normalised
        if training:
            logits.sum().backward()
    return int(counter.get_total_flops()) // 2


def network(name: str, bench: Bench, batch: int, precision: str, layout: torch.memory_format) -> Call:
    """A call from prepared clips in device memory to logits."""
    dtype = PRECISIONS[precision]
    model = built(name, bench).eval().to(bench.device, dtype)
    values = model.prepare(clips_for(model, batch, bench.device)).to(dtype).contiguous(memory_format=layout)
    model.to(memory_format=layout)  # type: ignore[call-overload]  # which torch's stub lacks
    return lambda: model.forward_head(model.forward_features(values))


def from_pixels(name: str, bench: Bench, batch: int, precision: str) -> Call:
    """A call from uint8 pixels to logits, with fp32 weights under autocast."""
    model = built(name, bench).eval().to(bench.device)
    clips = clips_for(model, batch, bench.device)

    def run() -> Tensor:
        with torch.autocast(bench.device.type, PRECISIONS[precision], enabled=precision != "fp32"):
            logits: Tensor = model(clips)
        return logits

    return run


def training_step(name: str, bench: Bench, batch: int, precision: str) -> Call:
    """A call from uint8 pixels to gradients, with fp32 weights under autocast."""
    with torch.inference_mode(mode=False):
        model = built(name, bench).train().to(bench.device)
        clips = clips_for(model, batch, bench.device)
        targets = torch.zeros(batch, dtype=torch.int64, device=bench.device)

    def run() -> None:
        with torch.inference_mode(mode=False), torch.enable_grad():
            with torch.autocast(bench.device.type, PRECISIONS[precision], enabled=precision != "fp32"):
                loss = F.cross_entropy(model(clips), targets)
            model.zero_grad(set_to_none=True)
            loss.backward()

    return run


FORMS: dict[str, Callable[[str, Bench, int, str], Call]] = {
    "NCTHW": lambda name, bench, batch, precision: network(name, bench, batch, precision, torch.contiguous_format),
    "channels-last": lambda name, bench, batch, precision: network(
        name, bench, batch, precision, torch.channels_last_3d
    ),
    FROM_PIXELS: from_pixels,
    TRAINING_STEP: training_step,
}


def measure_clip_models(bench: Bench, names: Iterable[str], peak: float) -> list[Row]:
    """Clips/s of all of them, printed as they come."""
    rows: list[Row] = []
    print(f"\n{'clip model':<14}{'form':<16}{'precision':<10}{'batch':>6}{'clips/s':>10}{'of peak':>9}{'GFLOPs':>9}")
    for name in names:
        for form, make in FORMS.items():
            flops = flops_per_clip(name, bench, training=form == TRAINING_STEP)
            for precision in bench.precisions[:2]:  # fp16 is as fast as bf16
                for batch in CLIP_BATCHES[bench.device.type]:
                    row: Row = {"model": name, "form": form, "precision": precision, "batch": batch}
                    row["gflops"] = flops / 1e9
                    try:
                        rate = batch * bench.calls_per_second(make(name, bench, batch, precision))
                        row |= {"clips_per_second": rate, "of_peak": rate * flops / peak}
                        figures = f"{rate:>10,.1f}{row['of_peak']:>9.1%}{row['gflops']:>9.1f}"
                    except RuntimeError as error:  # out of memory, or the device has no such kernel
                        row["error"] = str(error).splitlines()[0][:90]
                        figures = f"  {row['error']}"
                    rows.append(row)
                    print(f"{name:<14}{form:<16}{precision:<10}{batch:>6}{figures}", flush=True)
    return rows
