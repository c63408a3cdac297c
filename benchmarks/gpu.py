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
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu_bench import Bench
from benchmarks.gpu_clips import FAMILIES, measure_clip_models
from benchmarks.gpu_networks import FRAME_WEIGHTS, SOUND_WEIGHTS, Row, measure_networks
from extractors.embedder_config import AudioEmbedderConfig, FrameEmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.networks.frame_transfer import GROUP_FRAMES
from extractors.networks.image_input import IMAGE_INPUTS, PreparedFrame, as_image_tensor
from extractors.networks.log_mel import WINDOW_SAMPLES
from extractors.networks.sizes import NUM_BANDS, NUM_FRAMES
from extractors.weights.resolve import ResolvedWeights
from schemas.quantization import quantize

TARGET_FRAMES_PER_SECOND = 15_000
BATCH_SIZES = {"cuda": (32, 128, 256, 512), "cpu": (1, 4)}
VARIANT = "inception-2015"
FRAME_SIZES = ((360, 640), (1080, 1920))  # height, width
COMPARED_ROWS = 4
FRAME_PCA = ResolvedWeights("frame-pca", "random:1", seed=1)
SOUND_PCA = ResolvedWeights("sound-pca", "random:1", seed=1)


def synthetic_frame(height: int, width: int, seed: int) -> np.ndarray:
    """A frame of waves and noise, uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(random.uniform(1, 40) * x + random.uniform(1, 40) * y * y) for _ in range(3)]
    image = 128 + 80 * np.stack(waves, -1) + random.normal(0, 15, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8)


def frame_embedder(device: torch.device, precision: str, batch: int) -> FrameEmbedder:
    """The embedder that the extraction uses for frames."""
    config = FrameEmbedderConfig(FRAME_WEIGHTS, FRAME_PCA, precision=precision, batch_size=batch, device=str(device))
    return FrameEmbedder(config)


def audio_embedder(device: torch.device, precision: str, batch: int) -> AudioEmbedder:
    """The embedder that the extraction uses for sound."""
    config = AudioEmbedderConfig(SOUND_WEIGHTS, SOUND_PCA, precision=precision, batch_size=batch, device=str(device))
    return AudioEmbedder(config)


def measure_frame_path(bench: Bench, height: int, width: int, embedder: FrameEmbedder, batch: int) -> Row:
    """Frames/s of each step of a frame's path to its embedding, and of the whole path."""
    image_input = IMAGE_INPUTS[VARIANT]
    frame = synthetic_frame(height, width, 0)
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
    """The form of Inception that the embedders use."""
    return "ours, graph" if bench.is_cuda else "ours"


def limiting_step(path: Row, network: float) -> str:
    """The step that limits the whole path; `network` in frames/s."""
    steps = {"the network": network, "copies from the host": path["copy"], "resizing": path["resize_on_device"]}
    slowest = min(steps, key=lambda name: steps[name])
    if path["whole_way"] < 0.7 * steps[slowest]:
        return "the host thread that feeds the device"
    return slowest


def agreement(device: np.ndarray, host: np.ndarray) -> Row:
    """Differences between embeddings, and between their 8-bit codes."""
    norms = np.linalg.norm(device, axis=1) * np.linalg.norm(host, axis=1)
    steps = np.abs(quantize(device).astype(int) - quantize(host).astype(int))
    return {
        "relative_rms": float(np.sqrt(np.mean((device - host) ** 2) / np.mean(host**2))),
        "lowest_cosine": float((np.sum(device * host, axis=1) / norms).min()),
        "codes_that_differ": float(np.mean(steps > 0)),
        "most_steps": int(steps.max()),
    }


def measure_extractors(bench: Bench, batch_sizes: list[int], peak: float, *, compiled: bool) -> Row:
    """The networks of the extraction and the paths to them; prints each result at once."""
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
    paths = [measure_frame_path(bench, *size, frames, batch) for size in FRAME_SIZES]
    pinned, pageable = (bench.copy_bytes_per_second(pinned=pinned) for pinned in (True, False))
    print(f"\nproduct, {precision}, batch {batch}: the network alone {network:,.0f} frames/s")
    print(f"copies from the host: {pinned / 1e9:.1f} GB/s pinned, {pageable / 1e9:.1f} pageable")
    for path in paths:
        path["limited_by"] = limiting_step(path, network)
        print(
            f"{path['width']} x {path['height']}, {path['bytes_per_frame'] / 1e6:.2f} MB a frame; frames/s: "
            f"cut on one core {path['cut_on_host_core']:,.0f}, copy {path['copy']:,.0f}, "
            f"resize {path['resize_on_device']:,.0f}, whole path {path['whole_way']:,.0f}: "
            f"limited by {path['limited_by']}"
        )
    windows = list(torch.randn(4 * batch, NUM_FRAMES, NUM_BANDS))
    sound_rate = len(windows) * bench.calls_per_second(lambda: sound.embed_prepared(windows))
    print(f"sound, whole path: {sound_rate:,.0f} windows/s")

    images = [synthetic_frame(*FRAME_SIZES[0], seed) for seed in range(COMPARED_ROWS)]
    waves = np.random.default_rng(0).uniform(-1, 1, (COMPARED_ROWS, WINDOW_SAMPLES)).astype(np.float32)
    cpu = torch.device("cpu")
    exact = frame_embedder(cpu, "fp32", COMPARED_ROWS)(images), audio_embedder(cpu, "fp32", COMPARED_ROWS)(waves)
    agreements: dict[str, Row] = {}
    print("\nrelative to fp32 on the CPU, random networks and projection:")
    for each in bench.precisions:
        found = frame_embedder(bench.device, each, batch)(images), audio_embedder(bench.device, each, batch)(waves)
        for kind, rows, exact_rows in zip(("Inception", "VGGish"), found, exact, strict=True):
            apart = agreements[f"{kind} {each}"] = agreement(rows, exact_rows)
            print(
                f"{kind:<10}{each:<6}relative RMS {apart['relative_rms']:.1e}, cosine {apart['lowest_cosine']:.6f}, "
                f"codes {apart['codes_that_differ']:.1%} differ, by at most {apart['most_steps']}"
            )

    best = max(path["whole_way"] for path in paths)
    verdict = "reached" if best >= TARGET_FRAMES_PER_SECOND else "missed"
    print(f"\n{TARGET_FRAMES_PER_SECOND:,} frames/s is the target on one H200: {best:,.0f}, {verdict}")
    return {
        "networks": networks,
        "product": {"precision": precision, "batch": batch, "network_frames_per_second": network, "ways": paths},
        "sound_windows_per_second": sound_rate,
        "copy_bytes_per_second": {"pinned": pinned, "pageable": pageable},
        "agreement": agreements,
    }


def measure(bench: Bench, options: argparse.Namespace) -> Row:
    """All figures that `options` select; prints each at once."""
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
    parser.add_argument("--only", choices=("frames", "clips"), help="measure one half, which takes minutes")
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
