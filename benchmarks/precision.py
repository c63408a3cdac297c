"""Errors of bf16 and int8 embeddings relative to fp32: `python benchmarks/precision.py [VIDEO ...]`.

Prints relative RMS and cosine after the network and after PCA with whitening, and the 8-bit codes that differ. Rank
agreement orders all pairs of rows by their similarity (cosine about the mean row) in fp32 and in the other precision,
and compares the two orders (Spearman; 1 is the same order). Frames come from the given videos (1 a second) or are
synthetic: gradients, blobs and noise at several sizes. Audio windows are synthetic: tones, sweeps and noise.

`--weights`, `--pca`, `--audio-weights`, `--audio-pca` take the values that the job takes. The defaults need no
download: random networks, a random orthogonal projection, and a whitening fitted to the fp32 features. A random network
distinguishes images less than a trained one (its features are nearly the same vector for all), and whitening divides by
exactly those differences, so the whitened rows are the worst case.
"""

from __future__ import annotations

import argparse

import numpy as np

from extractors.embedder_config import EmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.networks.cpu_precision import has_cpu_int8
from extractors.networks.log_mel import SAMPLE_RATE_HZ, WINDOW_SAMPLES
from extractors.networks.pca import Pca, fit_pca
from extractors.weights.pretrained import build_pca
from extractors.weights.resolve import ResolvedWeights, resolve_weights
from extractors.weights.weight_sets import Kind
from schemas.quantization import quantize

NUM_SYNTHETIC = 96
FITTED_DIMS = 16  # so few rows do not determine more: whitening would amplify the rounding noise of further components


def synthetic_frames(count: int) -> list[np.ndarray]:
    """Frames of smooth shapes and noise, each with its own size, colours and contrast."""
    frames = []
    for index in range(count):
        random = np.random.default_rng(index)
        height, width = (int(size) for size in random.integers(120, 720, 2))
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        image = np.zeros((height, width, 3))
        for _ in range(int(random.integers(2, 12))):
            cy, cx = random.uniform(0, 1, 2)
            radius = random.uniform(0.02, 0.5)
            blob = 1 / (1 + np.exp(np.clip(((x - cx) ** 2 + (y - cy) ** 2 - radius**2) * 400, -50, 50)))
            image += blob[..., None] * random.uniform(-180, 180, 3)
        image += random.uniform(0, 255, 3) + random.uniform(-120, 120, 3) * x[..., None]
        image += random.standard_normal(image.shape) * random.uniform(0, 25)
        frames.append(np.clip(image, 0, 255).astype(np.uint8))
    return frames


def synthetic_windows(count: int) -> np.ndarray:
    """Audio windows of tones with harmonics, sweeps and noise."""
    seconds = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE_HZ
    windows = []
    for index in range(count):
        random = np.random.default_rng(index)
        start, end = random.uniform(80, 4000, 2)
        phase = 2 * np.pi * (start * seconds + (end - start) * seconds**2 / 2)
        sound = sum(random.uniform(0, 1) * np.sin(phase * harmonic) for harmonic in range(1, 4))
        sound = sound * random.uniform(0, 0.4) + random.standard_normal(WINDOW_SAMPLES) * random.uniform(0, 0.2)
        windows.append(np.clip(sound, -1, 1))
    return np.array(windows, dtype=np.float32)


def video_frames(paths: list[str]) -> list[np.ndarray]:
    """One frame a second of the given videos."""
    from extractors.video.decode import sample_frames

    return [sample.image for path in paths for sample in sample_frames(path)]


def pair_ranks(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The rank of each pair of rows by their cosine about the mean."""
    centred = rows - mean
    centred = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    similarities = (centred @ centred.T)[np.triu_indices(len(rows), 1)]
    order: np.ndarray = similarities.argsort(kind="stable")
    return order.argsort(kind="stable")


def report(stage: str, fast: np.ndarray, exact: np.ndarray) -> None:
    """Print one row of the table."""
    mean = exact.mean(axis=0)
    agreement = np.corrcoef(pair_ranks(fast, mean), pair_ranks(exact, mean))[0, 1]
    relative = np.sqrt(np.mean((fast - exact) ** 2) / np.mean(exact**2))
    norms = np.linalg.norm(fast, axis=1) * np.linalg.norm(exact, axis=1)
    cosine = np.sum(fast * exact, axis=1) / norms
    print(f"| {stage:<41} | {relative:13.2e} | {cosine.min():14.6f} | {agreement:14.5f} |")


def compare(name: str, kind: Kind, exact: np.ndarray, fast: np.ndarray, pca_spec: str | None) -> None:
    """Report one network's features before and after PCA and quantisation."""
    report(f"{name}, network", fast, exact)
    resolved = resolve_weights(pca_spec or "random:1", kind)
    projections: dict[str, Pca] = {pca_spec or "random projection": build_pca(resolved)} if resolved else {}
    if pca_spec is None:
        projections["fitted whitening"] = fit_pca([exact]).whitened(FITTED_DIMS)
    for label, pca in projections.items():
        projected = pca.apply(fast), pca.apply(exact)
        report(f"{name}, {label} to {pca.matrix.shape[1]}", *projected)
        steps = np.abs(np.subtract(*(quantize(rows).astype(int) for rows in projected)))
        off, most = f"{np.mean(steps > 0):.1%} differ", f"by at most {steps.max()}"
        print(f"| {'  its 8-bit codes':<41} | {off:>13} | {most:>14} | {'':>14} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*")
    parser.add_argument("--weights", default="random:0")
    parser.add_argument("--pca", default=None)
    parser.add_argument("--audio-weights", default="random:0")
    parser.add_argument("--audio-pca", default=None)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    frames = video_frames(arguments.videos) if arguments.videos else synthetic_frames(NUM_SYNTHETIC)
    windows = synthetic_windows(NUM_SYNTHETIC)
    frame_weights = resolve_weights(arguments.weights, "frames")
    sound_weights = resolve_weights(arguments.audio_weights, "sound")
    assert frame_weights  # only a PCA can be "none"
    assert sound_weights

    def config(weights: ResolvedWeights, precision: str) -> EmbedderConfig:
        return EmbedderConfig(weights, precision=precision, device="cpu", threads=arguments.threads)

    print(f"{len(frames)} frames, {len(windows)} windows; {arguments.weights}, {arguments.audio_weights}\n")
    print(f"| {'against fp32':<41} | relative RMS  | lowest cosine  | rank agreement |")
    print(f"|{'-' * 43}|{'-' * 15}|{'-' * 16}|{'-' * 16}|")
    exact = FrameEmbedder(config(frame_weights, "fp32"))(frames)
    for precision in ("bf16", "int8") if has_cpu_int8() else ("bf16",):
        fast = FrameEmbedder(config(frame_weights, precision))(frames)
        compare(f"Inception {precision}", "frame-pca", exact, fast, arguments.pca)
    exact, fast = (AudioEmbedder(config(sound_weights, precision))(windows) for precision in ("fp32", "bf16"))
    compare("VGGish bf16", "sound-pca", exact, fast, arguments.audio_pca)


if __name__ == "__main__":
    main()
