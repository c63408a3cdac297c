"""Throughput of the networks on a GPU, and what limits it: `PYTHONPATH=. python benchmarks/gpu.py [--json PATH]`.

Runs wherever torch sees CUDA; besides torch it needs numpy and safetensors, and nothing installed of this repository.
`--device cpu` runs the same on a CPU, to try the script out. Weights are random. It prints

- the best rate of a bf16 matrix product, the yardstick for the shares below,
- items/s of Inception and VGGish on inputs in device memory, by form, precision and batch,
- the cost of a frame's path to the network: cutting on one host core, copying, resizing on the device,
- items/s of the product's own embedders, fed with uint8 frames and windows on the host, and which step limits them,
- errors of the embeddings relative to fp32 on the CPU,
- clips/s of the clip classifiers (`--clip-models`; `--only clips` measures nothing else).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_bench import Bench
from benchmarks.gpu_clips import FAMILIES, measure_clip_models
from extractors.embedders import AudioEmbedder, AudioEmbedderConfig, FrameEmbedder, FrameEmbedderConfig
from extractors.networks.batch_runner import BatchRunner
from extractors.networks.frame_transfer import GROUP_FRAMES
from extractors.networks.image_input import IMAGE_INPUTS, PreparedFrame, as_image_tensor
from extractors.networks.inception import IMAGE_SIZE
from extractors.networks.inference_form import FusedConv, to_inference_form
from extractors.networks.log_mel import NUM_BANDS, NUM_FRAMES, WINDOW_SAMPLES
from extractors.networks.precision import PRECISIONS
from extractors.weights.pretrained import build_inception, build_vggish
from extractors.weights.resolve import ResolvedWeights
from schemas.quantization import quantize

WANTED_FRAMES_PER_SECOND = 15_000
BATCH_SIZES = {"cuda": (32, 128, 256, 512), "cpu": (1, 4)}
VARIANT = "inception-2015"
FRAME_SIZES = ((360, 640), (1080, 1920))  # height, width
COMPARED_ROWS = 4
FRAME_WEIGHTS = ResolvedWeights("frames", "random:0", seed=0)
SOUND_WEIGHTS = ResolvedWeights("sound", "random:0", seed=0)
FRAME_PCA = ResolvedWeights("frame-pca", "random:1", seed=1)
SOUND_PCA = ResolvedWeights("sound-pca", "random:1", seed=1)

Forward = Callable[[Tensor], Tensor]
Row = dict[str, Any]


class CudnnFusedConv(nn.Module):
    """`FusedConv` as one call of cuDNN, where torch has that call."""

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
    """How to make each form of Inception: rows (B, S, S, 3) to features."""
    dtype = PRECISIONS[precision]

    def eager(layout: torch.memory_format) -> Forward:
        network = build_inception(FRAME_WEIGHTS)[0].to(bench.device, dtype)
        network.to(memory_format=layout)  # type: ignore[call-overload]  # which torch's stub lacks
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
    """How to make each form of VGGish: rows (B, 96, 64) to embeddings."""
    dtype = PRECISIONS[precision]
    return {
        "eager NCHW": lambda: build_vggish(SOUND_WEIGHTS).to(bench.device, dtype),
        "ours": lambda: to_inference_form(build_vggish(SOUND_WEIGHTS), dtype=dtype).to(bench.device),
    }


def flops_per_item(forward: Forward, shape: tuple[int, ...]) -> int:
    """Operations of one item, a multiplication and an addition as two; counted on the host in float32."""
    with FlopCounterMode(display=False) as counter:
        forward(torch.zeros(1, *shape))
    return int(counter.get_total_flops())


def measure_networks(bench: Bench, batch_sizes: list[int], peak: float, *, compiled: bool) -> list[Row]:
    """Items/s of both networks on inputs in device memory."""
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


def drawn_frame(height: int, width: int, seed: int) -> np.ndarray:
    """A frame of waves and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(random.uniform(1, 40) * x + random.uniform(1, 40) * y * y) for _ in range(3)]
    image = 128 + 80 * np.stack(waves, -1) + random.normal(0, 15, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8)


def frame_embedder(device: torch.device, precision: str, batch: int) -> FrameEmbedder:
    """The product's embedder of frames."""
    config = FrameEmbedderConfig(FRAME_WEIGHTS, FRAME_PCA, precision=precision, batch_size=batch, device=str(device))
    return FrameEmbedder(config)


def audio_embedder(device: torch.device, precision: str, batch: int) -> AudioEmbedder:
    """The product's embedder of sound."""
    config = AudioEmbedderConfig(SOUND_WEIGHTS, SOUND_PCA, precision=precision, batch_size=batch, device=str(device))
    return AudioEmbedder(config)


def measure_frame_way(bench: Bench, height: int, width: int, embedder: FrameEmbedder, batch: int) -> Row:
    """What each step of a frame's way costs, as frames/s, and the whole way."""
    image_input = IMAGE_INPUTS[VARIANT]
    frame = drawn_frame(height, width, 0)
    prepared = image_input.on_host(as_image_tensor(frame))
    group = prepared.pixels.expand(GROUP_FRAMES[bench.device.type], *prepared.pixels.shape).to(bench.device)
    on_device = PreparedFrame(group.contiguous(), height, width)
    frames = [prepared] * (4 * batch)
    return {
        "height": height,
        "width": width,
        "bytes_per_frame": prepared.pixels.numel(),
        "cut_on_host_core": bench.calls_per_second(lambda: image_input.on_host(as_image_tensor(frame))),
        "copy": bench.copy_bytes_per_second(pinned=True) / prepared.pixels.numel(),
        "resize_on_device": len(group) * bench.calls_per_second(lambda: image_input.on_device(on_device)),
        "whole_way": len(frames) * bench.calls_per_second(lambda: embedder.embed_prepared(frames)),
    }


def product_form(bench: Bench) -> str:
    """The form that the embedders run."""
    return "ours, graph" if bench.is_cuda else "ours"


def limit_of(way: Row, network: float) -> str:
    """Which step holds the whole way back."""
    steps = {"the network": network, "copies from the host": way["copy"], "resizing": way["resize_on_device"]}
    slowest = min(steps, key=lambda name: steps[name])
    if way["whole_way"] < 0.7 * steps[slowest]:
        return "the host thread that feeds the device"
    return slowest


def agreement(device: np.ndarray, host: np.ndarray) -> Row:
    """How far embeddings lie apart, and their 8-bit codes."""
    norms = np.linalg.norm(device, axis=1) * np.linalg.norm(host, axis=1)
    steps = np.abs(quantize(device).astype(int) - quantize(host).astype(int))
    return {
        "relative_rms": float(np.sqrt(np.mean((device - host) ** 2) / np.mean(host**2))),
        "lowest_cosine": float((np.sum(device * host, axis=1) / norms).min()),
        "codes_that_differ": float(np.mean(steps > 0)),
        "most_steps": int(steps.max()),
    }


def measure_extractors(bench: Bench, batch_sizes: list[int], peak: float, *, compiled: bool) -> Row:
    """The networks of the extraction and the ways to them, printed as they come."""
    networks = measure_networks(bench, batch_sizes, peak, compiled=compiled)
    print(f"{'network':<10}{'form':<28}{'precision':<10}{'batch':>6}{'items/s':>10}{'of peak':>9}")
    for row in networks:
        figures = row["error"] if "error" in row else f"{row['items_per_second']:>10,.0f}{row['of_peak']:>9.1%}"
        print(f"{row['network']:<10}{row['form']:<28}{row['precision']:<10}{row['batch']:>6}{figures}")

    precision, batch = bench.precisions[min(1, len(bench.precisions) - 1)], max(batch_sizes)
    frames, sound = frame_embedder(bench.device, precision, batch), audio_embedder(bench.device, precision, batch)
    network = max(
        row["items_per_second"]
        for row in networks
        if row["network"] == "Inception" and row["precision"] == precision and row["form"] == product_form(bench)
    )
    ways = [measure_frame_way(bench, *size, frames, batch) for size in FRAME_SIZES]
    pinned, pageable = (bench.copy_bytes_per_second(pinned=pinned) for pinned in (True, False))
    print(f"\nproduct, {precision}, batch {batch}: the network alone {network:,.0f} frames/s")
    print(f"copies from the host: {pinned / 1e9:.1f} GB/s pinned, {pageable / 1e9:.1f} pageable")
    for way in ways:
        way["limited_by"] = limit_of(way, network)
        print(
            f"{way['width']} x {way['height']}, {way['bytes_per_frame'] / 1e6:.2f} MB a frame; frames/s: "
            f"cut on one core {way['cut_on_host_core']:,.0f}, copy {way['copy']:,.0f}, "
            f"resize {way['resize_on_device']:,.0f}, whole way {way['whole_way']:,.0f}: limited by {way['limited_by']}"
        )
    windows = list(torch.randn(4 * batch, NUM_FRAMES, NUM_BANDS))
    sound_rate = len(windows) * bench.calls_per_second(lambda: sound.embed_prepared(windows))
    print(f"sound, whole path: {sound_rate:,.0f} windows/s")

    images = [drawn_frame(*FRAME_SIZES[0], seed) for seed in range(COMPARED_ROWS)]
    waves = np.random.default_rng(0).uniform(-1, 1, (COMPARED_ROWS, WINDOW_SAMPLES)).astype(np.float32)
    cpu = torch.device("cpu")
    exact = frame_embedder(cpu, "fp32", COMPARED_ROWS)(images), audio_embedder(cpu, "fp32", COMPARED_ROWS)(waves)
    agreements: dict[str, Row] = {}
    print("\nagainst fp32 on the CPU, random networks and projection:")
    for each in bench.precisions:
        found = frame_embedder(bench.device, each, batch)(images), audio_embedder(bench.device, each, batch)(waves)
        for kind, ours, theirs in zip(("Inception", "VGGish"), found, exact, strict=True):
            apart = agreements[f"{kind} {each}"] = agreement(ours, theirs)
            print(
                f"{kind:<10}{each:<6}relative RMS {apart['relative_rms']:.1e}, cosine {apart['lowest_cosine']:.6f}, "
                f"codes {apart['codes_that_differ']:.1%} differ, by at most {apart['most_steps']}"
            )

    best = max(way["whole_way"] for way in ways)
    verdict = "reached" if best >= WANTED_FRAMES_PER_SECOND else "missed"
    print(f"\n{WANTED_FRAMES_PER_SECOND:,} frames/s wanted on one H200: {best:,.0f}, {verdict}")
    return {
        "networks": networks,
        "product": {"precision": precision, "batch": batch, "network_frames_per_second": network, "ways": ways},
        "sound_windows_per_second": sound_rate,
        "copy_bytes_per_second": {"pinned": pinned, "pageable": pageable},
        "agreement": agreements,
    }


def measure(bench: Bench, options: argparse.Namespace) -> Row:
    """What was asked for, printed as it comes."""
    name = torch.cuda.get_device_name(bench.device) if bench.is_cuda else "CPU"
    peak = bench.matrix_flops_per_second()
    print(f"{name}, torch {torch.__version__}: bf16 matrix product {peak / 1e12:.1f} TFLOP/s\n")
    figures: Row = {"device": name, "torch": torch.__version__, "bf16_flops_per_second": peak}
    if options.only in (None, "frames"):
        batch_sizes = options.batch_sizes or list(BATCH_SIZES[bench.device.type])
        with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):  # as the embedders set it
            figures |= measure_extractors(bench, batch_sizes, peak, compiled=options.compile)
    if options.only in (None, "clips"):
        figures["clip_models"] = measure_clip_models(bench, options.clip_models, peak)
    return figures


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the script out")
    parser.add_argument("--seconds", type=float, default=2.0, help="time spent on each figure")
    parser.add_argument("--batch-sizes", type=int, nargs="+", help="default: 32 128 256 512")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well, which takes minutes")
    parser.add_argument("--only", choices=("frames", "clips"), help="one half of it: each takes some minutes")
    parser.add_argument(
        "--clip-models", nargs="+", default=FAMILIES, metavar="NAME", help="default: one of each family"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} sees no CUDA device here; --device cpu tries the script out on the CPU")
    if device.type == "cpu":
        torch.set_num_threads(1)
    with torch.inference_mode():
        figures = measure(Bench(device, arguments.seconds), arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
