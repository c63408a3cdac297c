"""Throughput of Inception and VGGish on a device, by form, precision and batch size, on inputs in device memory.

Forms: eager as trained, in two layouts; the inference form of this repository ("ours"), also with fusion by cuDNN or
compiled by torch; and each recorded as a CUDA graph. Operations are counted on the CPU in float32, a multiplication and
its addition as two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_bench import Bench, Row
from extractors.loaded_networks import LoadedInception, LoadedVggish
from extractors.networks.batch_runner import BatchRunner
from extractors.networks.inference_form import FusedConv, to_inference_form
from extractors.networks.precision import PRECISIONS
from extractors.networks.sizes import IMAGE_SIZE, NUM_BANDS, NUM_FRAMES
from extractors.weights.pretrained import build_inception, build_vggish
from extractors.weights.resolve import ResolvedWeights

FRAME_WEIGHTS = ResolvedWeights("frames", "random:0", seed=0)
SOUND_WEIGHTS = ResolvedWeights("sound", "random:0", seed=0)
BATCHES = {"cuda": (256, 128, 512, 32), "cpu": (1,)}  # the likeliest first
COMPILED = "eager channels-last"
FRAME_SHAPE, SOUND_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3), (NUM_FRAMES, NUM_BANDS)

Forward = Callable[[Tensor], Tensor]


class CudnnFusedConv(nn.Module):
    """`FusedConv` with ReLU as one call of cuDNN."""

    def __init__(self, conv: FusedConv) -> None:
        super().__init__()
        self.weight, self.stride, self.padding = conv.weight, conv.stride, conv.padding
        self.bias, self.out_dtype = conv.bias.to(conv.weight.dtype), conv.out_dtype

    def forward(self, x: Tensor) -> Tensor:
        """Convolution, bias, ReLU."""
        x = x.to(self.weight.dtype)
        y = torch.cudnn_convolution_relu(x, self.weight, self.bias, self.stride, self.padding, [1, 1], 1)
        return y.to(self.out_dtype)


def with_cudnn_fusion(module: nn.Module) -> nn.Module:
    """Replace the convolutions that end in a ReLU, in place."""
    for name, child in module.named_children():
        if isinstance(child, FusedConv) and child.relu:
            setattr(module, name, CudnnFusedConv(child))
        else:
            with_cudnn_fusion(child)
    return module


def inception_forms(bench: Bench, precision: str) -> dict[str, Callable[[], Forward]]:
    """Builders of each form of Inception, a function from rows (B, S, S, 3) in any type to features."""
    dtype = PRECISIONS[precision]

    def eager(layout: torch.memory_format) -> Forward:
        network = build_inception(FRAME_WEIGHTS)[0].to(bench.device, dtype)
        network.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's stub
        return lambda rows: network.forward_features(rows.permute(0, 3, 1, 2).to(dtype, memory_format=layout))

    def ours(*, fused: bool = False) -> Forward:
        network = to_inference_form(build_inception(FRAME_WEIGHTS)[0], dtype=dtype).to(bench.device)
        if fused:
            with_cudnn_fusion(network)
        return lambda rows: network.forward_features(rows.permute(0, 3, 1, 2))

    forms: dict[str, Callable[[], Forward]] = {
        "ours": ours,
        "eager channels-last": lambda: eager(torch.channels_last),
        "eager NCHW": lambda: eager(torch.contiguous_format),
    }
    if bench.is_cuda and precision != "fp32":
        forms["cuDNN conv+ReLU"] = lambda: ours(fused=True)
    return forms


def vggish_forms(bench: Bench, precision: str) -> dict[str, Callable[[], Forward]]:
    """Builders of each form of VGGish, a function from rows (B, 96, 64) to embeddings."""
    dtype = PRECISIONS[precision]
    return {
        "ours": lambda: to_inference_form(build_vggish(SOUND_WEIGHTS), dtype=dtype).to(bench.device),
        "eager NCHW": lambda: build_vggish(SOUND_WEIGHTS).to(bench.device, dtype),
    }


def flops_per_item(forward: Forward, shape: tuple[int, ...]) -> int:
    """Operations of one item of `shape`."""
    with FlopCounterMode(display=False) as counter:
        forward(torch.zeros(1, *shape))
    return int(counter.get_total_flops())


def form_call(
    bench: Bench, forward: Forward, shape: tuple[int, ...], row_type: torch.dtype, *, graph: bool
) -> Callable[[], object]:
    """A call of a form on a batch of `shape` in device memory; with `graph`, as a CUDA graph."""
    runner = BatchRunner(forward, shape=shape, dtype=row_type, device=bench.device)
    if graph:
        runner.prepare()
        return lambda: runner.run(runner.rows)
    return lambda: forward(runner.buffer)


def form_rows(
    bench: Bench,
    forms: Callable[[Bench, str], dict[str, Callable[[], Forward]]],
    shape: tuple[int, ...],
    row_types: Mapping[str, torch.dtype],
) -> Iterator[Row]:
    """Items/s of every form on rows as the embedder has them; reduced precisions, graphs and `BATCHES` first."""
    host = Bench(torch.device("cpu"), 0)
    flops = flops_per_item(forms(host, "fp32")["eager NCHW"](), shape)
    for precision in (*bench.precisions[1:], "fp32"):
        for name, make in forms(bench, precision).items():
            forward = make()
            for graph in (True, False) if bench.is_cuda else (False,):
                for batch in BATCHES[bench.device.type]:
                    call = partial(form_call, bench, forward, (batch, *shape), row_types[precision], graph=graph)
                    row = {"form": name + ", graph" * graph, "precision": precision, "batch": batch}
                    yield row | bench.figures(batch, flops, call)


def inception_rows(bench: Bench) -> Iterator[Row]:
    """Frames/s of Inception."""
    yield from form_rows(bench, inception_forms, FRAME_SHAPE, LoadedInception.row_types)


def vggish_rows(bench: Bench) -> Iterator[Row]:
    """Windows/s of VGGish."""
    yield from form_rows(bench, vggish_forms, SOUND_SHAPE, LoadedVggish.row_types)


def compiled_rows(bench: Bench) -> Iterator[Row]:
    """Frames/s of Inception in channels-last as torch.compile makes it, which takes a minute for each row."""
    flops = flops_per_item(inception_forms(Bench(torch.device("cpu"), 0), "fp32")["eager NCHW"](), FRAME_SHAPE)
    for precision in bench.precisions[1:2]:
        for batch in BATCHES[bench.device.type][:2]:

            def make(precision: str = precision, batch: int = batch) -> Callable[[], object]:
                backend = "eager" if bench.is_toy else "inductor"
                forward = torch.compile(inception_forms(bench, precision)[COMPILED](), dynamic=False, backend=backend)
                row_type = LoadedInception.row_types[precision]
                rows = torch.zeros(batch, *FRAME_SHAPE, dtype=row_type, device=bench.device)
                return lambda: forward(rows)

            row = {"form": COMPILED + ", torch.compile", "precision": precision, "batch": batch}
            yield row | bench.figures(batch, flops, make)
