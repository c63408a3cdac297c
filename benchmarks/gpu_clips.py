"""Throughput of clip classifiers on a device: clips/s, share of the measured peak rate, and agreement with fp32.

For each model, precision and batch size: the network on prepared clips in device memory, in two layouts; the whole path
from uint8 pixels to logits; and a training step, forward and backward without the optimizer, with fp32 weights.

Operations are counted on the meta device, a multiplication and its addition as two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_bench import Bench, Row
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
MEMORY_LIMIT_GIB = 24  # a card on which a batch of 8 should train
TRAINED_BATCH = 8
CLIP_BATCHES = {"cuda": (32, 8), "cpu": (2,)}
# A CPU runs small models, to try the script out: clips of published sizes take seconds each.
SMALL = {"frames": 16, "height": 32, "width": 32, "width_factor": 0.125}
FROM_PIXELS, TRAINING_STEP = "from pixels", "training step"

Call = Callable[[], object]


def built(name: str, bench: Bench, classes: int | None = None) -> ClipModel:
    """A model of the published size, by default with its classes, and random weights; a small one for a toy."""
    options = SMALL if bench.is_toy else None
    return build_clip_model(name, num_classes=classes or clip_model_entry(name).classes, options=options)


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
            loss.backward()  # type: ignore[no-untyped-call]

    return run


FORMS: dict[str, Callable[[str, Bench, int, str], Call]] = {
    "channels-last": lambda name, bench, batch, precision: network(
        name, bench, batch, precision, torch.channels_last_3d
    ),
    FROM_PIXELS: from_pixels,
    "NCTHW": lambda name, bench, batch, precision: network(name, bench, batch, precision, torch.contiguous_format),
}


def clip_rows(bench: Bench) -> Iterator[Row]:
    """Clips/s of every family, bf16 before fp32, which is measured in one form."""
    for precision, forms in (
        (bench.precisions[-1 if bench.is_toy else 1], FORMS),
        ("fp32", {FROM_PIXELS: from_pixels}),
    ):
        for name in FAMILIES:
            flops = flops_per_clip(name, bench, training=False)
            for form, make in forms.items():
                for batch in CLIP_BATCHES[bench.device.type]:
                    row = {"model": name, "form": form, "precision": precision, "batch": batch, "gflops": flops / 1e9}
                    yield row | bench.figures(batch, flops, partial(make, name, bench, batch, precision))


def training_step_rows(bench: Bench) -> Iterator[Row]:
    """Clips/s of a training step of every family, and whether the batch fits into a card of 24 GiB; I3D first."""
    batch = 2 if bench.is_toy else TRAINED_BATCH
    for precision in bench.precisions[:2][::-1]:
        for name in sorted(FAMILIES, key=lambda name: name != "i3d"):
            flops = flops_per_clip(name, bench, training=True)
            row: Row = {
                "model": name,
                "form": TRAINING_STEP,
                "precision": precision,
                "batch": batch,
                "gflops": flops / 1e9,
            }
            row |= bench.figures(batch, flops, partial(training_step, name, bench, batch, precision))
            yield row | ({"fits_24_gib": row["peak_gib"] <= MEMORY_LIMIT_GIB} if "peak_gib" in row else {})


def clip_agreement_rows(bench: Bench) -> Iterator[Row]:
    """How far the logits of every family are from those in fp32, relative to their deviation from class to class."""
    for name in FAMILIES:
        torch.manual_seed(0)
        model = built(name, bench).eval().to(bench.device)
        clips = clips_for(model, 2, bench.device)
        exact = model(clips)
        for precision in bench.precisions[1:]:
            with torch.autocast(bench.device.type, PRECISIONS[precision]):
                logits = model(clips).float()
            error = (logits - exact).square().mean().sqrt() / exact.std()
            yield {"model": name, "precision": precision, "relative_rms": error.item()}
