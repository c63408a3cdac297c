"""The way of frames and sound to their embeddings on a device, by the embedders that extraction uses.

- frames/s of each step of a frame's path, fed with uint8 frames on the host: cutting on one host core, copying,
  resizing on the device, and of the whole path; which step limits it,
- windows/s of the whole path of sound,
- agreement of the embeddings with fp32 on the CPU. Weights are random.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.differences import lowest_cosine, relative_rms
from benchmarks.gpu_bench import Bench, Row
from benchmarks.gpu_networks import BATCHES, FRAME_SHAPE, FRAME_WEIGHTS, SOUND_WEIGHTS, form_call, inception_forms
from extractors.embedder_config import AudioEmbedderConfig, FrameEmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.loaded_networks import LoadedInception
from extractors.networks.frame_transfer import GROUP_FRAMES
from extractors.networks.image_input import IMAGE_INPUTS, PreparedFrame, as_image_tensor
from extractors.networks.log_mel import WINDOW_SAMPLES
from extractors.networks.sizes import NUM_BANDS, NUM_FRAMES
from extractors.weights.resolve import ResolvedWeights
from schemas.quantization import quantize

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


def limiting_step(path: Row, network: float) -> str:
    """The step that limits the whole path; `network` in frames/s."""
    steps = {"the network": network, "copies from the host": path["copy"], "resizing": path["resize_on_device"]}
    slowest = min(steps, key=lambda name: steps[name])
    if path["whole_way"] < 0.7 * steps[slowest]:
        return "the host thread that feeds the device"
    return slowest


def agreement(device: np.ndarray, host: np.ndarray) -> Row:
    """Differences between embeddings, and between their 8-bit codes."""
    steps = np.abs(quantize(device).astype(int) - quantize(host).astype(int))
    return {
        "relative_rms": relative_rms(device, host),
        "lowest_cosine": lowest_cosine(device, host),
        "codes_that_differ": float(np.mean(steps > 0)),
        "most_steps": int(steps.max()),
    }


def frame_path_rows(bench: Bench) -> Iterator[Row]:
    """The paths of frames of two sizes."""
    precision, batch = bench.precisions[-1 if bench.is_toy else 1], BATCHES[bench.device.type][0]
    embedder = frame_embedder(bench.device, precision, batch)
    forward = inception_forms(bench, precision)["ours"]()
    row_type = LoadedInception.row_types[precision]
    call = form_call(bench, forward, (batch, *FRAME_SHAPE), row_type, graph=bench.is_cuda)
    network = batch * bench.calls_per_second(call)
    for height, width in FRAME_SIZES:
        path = measure_frame_path(bench, height, width, embedder, batch)
        limits = {"network": network, "limited_by": limiting_step(path, network)}
        yield {"precision": precision, "batch": batch, **path, **limits}


def sound_path_rows(bench: Bench) -> Iterator[Row]:
    """The path of sound from log-mel examples on the host."""
    precision, batch = bench.precisions[-1 if bench.is_toy else 1], BATCHES[bench.device.type][0]
    embedder = audio_embedder(bench.device, precision, batch)
    windows = list(torch.randn(4 * batch, NUM_FRAMES, NUM_BANDS))
    rate = len(windows) * bench.calls_per_second(lambda: embedder.embed_prepared(windows))
    yield {"precision": precision, "batch": batch, "whole_way": rate}


def copy_rows(bench: Bench) -> Iterator[Row]:
    """Bytes a second from the host."""
    for pinned in (True, False):
        yield {"pinned": pinned, "bytes_per_second": bench.copy_bytes_per_second(pinned=pinned)}


def agreement_rows(bench: Bench) -> Iterator[Row]:
    """How far the embeddings of both networks are from fp32 on the CPU."""
    images = [synthetic_frame(*FRAME_SIZES[0], seed) for seed in range(COMPARED_ROWS)]
    waves = np.random.default_rng(0).uniform(-1, 1, (COMPARED_ROWS, WINDOW_SAMPLES)).astype(np.float32)
    cpu = torch.device("cpu")
    exact = {
        "Inception": frame_embedder(cpu, "fp32", COMPARED_ROWS)(images),
        "VGGish": audio_embedder(cpu, "fp32", COMPARED_ROWS)(waves),
    }
    for precision in bench.precisions:
        found = {
            "Inception": frame_embedder(bench.device, precision, COMPARED_ROWS)(images),
            "VGGish": audio_embedder(bench.device, precision, COMPARED_ROWS)(waves),
        }
        for name, rows in found.items():
            yield {"network": name, "precision": precision, **agreement(rows, exact[name])}
