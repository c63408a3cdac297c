"""Throughput of Inception and VGGish on a device, by form, precision and batch size, on inputs in device memory.

Forms: eager as trained, in two layouts; the inference form of this repository ("ours"), also with fusion by cuDNN or
compiled by torch; and each recorded as a CUDA graph. Operations are counted on the CPU in float32, a multiplication and
its addition as two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_bench import Bench
from extractors.networks.batch_runner import BatchRunner
from extractors.networks.inference_form import FusedConv, to_inference_form
from extractors.networks.precision import PRECISIONS
from extractors.networks.sizes import IMAGE_SIZE, NUM_BANDS, NUM_FRAMES
from extractors.weights.pretrained import build_inception, build_vggish
from extractors.weights.resolve import ResolvedWeights

FRAME_WEIGHTS = ResolvedWeights("frames", "random:0", seed=0)
SOUND_WEIGHTS = ResolvedWeights("sound", "random:0", seed=0)

Forward = Callable[[Tensor], Tensor]
Row = dict[str, Any]


class CudnnFusedConv(nn.Module):
    """`FusedConv` with ReLU as one call of cuDNN."""

    def __init__(self, conv: FusedConv) -> None:
        super().__init__()
        self.weight, self.bias, self.stride, self.padding = conv.weight, conv.bias, conv.stride, conv.padding

    def forward(self, x: Tensor) -> Tensor:
        """Convolution, bias, ReLU."""
        return torch.cudnn_convolution_relu(x, self.weight, self.bias, self.stride, self.padding, [1, 1], 1)


def with_cudnn_fusion(module: nn.Module) -> nn.Module:
    """Replace the convolutions that end in a ReLU, in place."""
    for name, child in module.named_children():
        if isinstance(child, FusedConv) and child.relu:
            setattr(module, name, CudnnFusedConv(child))
        else:
            with_cudnn_fusion(child)
    return module


def inception_forms(bench: Bench, precision: str, *, compiled: bool) -> dict[str, Callable[[], Forward]]:
    """Builders of each form of Inception, a function from rows (B, S, S, 3) to features."""
    dtype = PRECISIONS[precision]

    def eager(layout: torch.memory_format) -> Forward:
        network = build_inception(FRAME_WEIGHTS)[0].to(bench.device, dtype)
        network.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's stub
        return lambda rows: network.forward_features(rows.permute(0, 3, 1, 2).contiguous(memory_format=layout))

    def ours(*, fused: bool = False, with_compiler: bool = False) -> Forward:
        network = to_inference_form(build_inception(FRAME_WEIGHTS)[0], dtype=dtype).to(bench.device)
        if fused:
            with_cudnn_fusion(network)
        forward: Forward = torch.compile(network.forward_features) if with_compiler else network.forward_features
        return lambda rows: forward(rows.permute(0, 3, 1, 2))

    forms: dict[str, Callable[[], Forward]] = {
        "eager NCHW": lambda: eager(torch.contiguous_format),
        "eager channels-last": lambda: eager(torch.channels_last),
        "ours": ours,
    }
    if bench.is_cuda and precision != "fp32":
        forms["cuDNN conv+ReLU"] = lambda: ours(fused=True)
    if compiled:
        forms["torch.compile"] = lambda: ours(with_compiler=True)
    return forms


def vggish_forms(bench: Bench, precision: str) -> dict[str, Callable[[], Forward]]:
    """Builders of each form of VGGish, a function from rows (B, 96, 64) to embeddings."""
    dtype = PRECISIONS[precision]
    return {
        "eager NCHW": lambda: build_vggish(SOUND_WEIGHTS).to(bench.device, dtype),
        "ours": lambda: to_inference_form(build_vggish(SOUND_WEIGHTS), dtype=dtype).to(bench.device),
    }


def flops_per_item(forward: Forward, shape: tuple[int, ...]) -> int:
    """Operations of one item of `shape`."""
    with FlopCounterMode(display=False) as counter:
        forward(torch.zeros(1, *shape))
    return int(counter.get_total_flops())


def measure_networks(bench: Bench, batch_sizes: list[int], peak: float, *, compiled: bool) -> list[Row]:
    """Items/s and share of the `peak` rate of every form of both networks; a form that fails has its error."""
    host = Bench(torch.device("cpu"), 0)
    shapes = {"Inception": (IMAGE_SIZE, IMAGE_SIZE, 3), "VGGish": (NUM_FRAMES, NUM_BANDS)}
    flops = {
        "Inception": flops_per_item(inception_forms(host, "fp32", compiled=False)["eager NCHW"](), shapes["Inception"]),
        "VGGish": flops_per_item(vggish_forms(host, "fp32")["eager NCHW"](), shapes["VGGish"]),
    }
    rows: list[Row] = []
    for precision in bench.precisions:
        forms = {
            "Inception": inception_forms(bench, precision, compiled=compiled),
            "VGGish": vggish_forms(bench, precision),
        }
        for network, form, make in ((n, f, make) for n, made in forms.items() for f, make in made.items()):
            forward = make()
            for batch in batch_sizes:
                for graph in (False, True)[: 1 + (bench.is_cuda and form != "torch.compile")]:
                    runner = BatchRunner(
                        forward, shape=(batch, *shapes[network]), dtype=PRECISIONS[precision], device=bench.device
                    )
                    row: Row = {"network": network, "precision": precision, "batch": batch}
                    row["form"] = form + ", graph" * graph
                    try:
                        if graph:
                            runner.prepare()
                            rate = batch * bench.calls_per_second(lambda r=runner: r.run(r.rows))  # type: ignore[misc]
                        else:
                            rate = batch * bench.calls_per_second(lambda f=forward, r=runner: f(r.buffer))  # type: ignore[misc]
                    except RuntimeError as error:  # out of memory, or the device has no such kernel
                        rows.append(row | {"error": str(error).splitlines()[0][:90]})
                        continue
                    rows.append(row | {"items_per_second": rate, "of_peak": rate * flops[network] / peak})
    return rows
