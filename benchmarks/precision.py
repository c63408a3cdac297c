"""Errors of bf16 and int8 embeddings relative to fp32: `python benchmarks/precision.py --weights FILE VIDEO ...`.

Trained weights and real videos are needed: random features are nearly one vector for all frames, and random networks
have no biases, so that they hide what rounding costs. Half of the frames, every other one of each video, fit what is
fitted in fp32: a PCA with whitening, and a linear classifier of the stretches of the videos. The other half is
measured:

- features, and whitened ones: relative RMS, and the lowest cosine of any frame
- codes: the 8-bit codes of whitened features that differ, and by how much at most
- neighbours: the share of a frame's ten nearest by cosine, among all frames, that are the same as in fp32
- labels: the share of frames that the classifier of fp32 features gives the same label

`--audio-weights FILE` measures VGGish in bf16, alone or beside it: its embeddings of tones, sweeps and noise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.differences import lowest_cosine, relative_rms
from extractors.embedder_config import EmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.networks.cpu_precision import has_cpu_int8
from extractors.networks.log_mel import SAMPLE_RATE_HZ, WINDOW_SAMPLES
from extractors.networks.pca import fit_pca
from extractors.video.decode import sample_frames
from extractors.weights.resolve import resolve_weights
from schemas.quantization import quantize

ROWS_PER_DIM = 4  # frames for a component of the PCA: more components would amplify the noise of few frames
STRETCH_SECONDS = 10
NEIGHBOURS = 10
NUM_WINDOWS = 96
RIDGE = 0.01  # of the mean variance
Features = np.ndarray


def stretches(paths: list[str], fps: str) -> Iterator[tuple[np.ndarray, tuple[str, int]]]:
    """The frames of the videos, each with the video and stretch that it is from."""
    for path in paths:
        for sample in sample_frames(path, fps):
            yield sample.image, (path, int(sample.seconds // STRETCH_SECONDS))


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


def nearest(rows: Features) -> np.ndarray:
    """The `NEIGHBOURS` nearest other rows of each row by cosine about the mean, (N, NEIGHBOURS)."""
    centred = rows - rows.mean(0)
    centred = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    similarities = centred @ centred.T
    np.fill_diagonal(similarities, -np.inf)
    found: np.ndarray = np.argsort(-similarities, axis=1, kind="stable")[:, :NEIGHBOURS]
    return found


def neighbours_kept(fast: Features, exact: Features) -> float:
    """The mean share of nearest rows that are the same."""
    pairs = zip(nearest(fast), nearest(exact), strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / NEIGHBOURS for a, b in pairs]))


class LinearClassifier:
    """Ridge regression of one-hot labels on features."""

    def __init__(self, rows: Features, labels: np.ndarray) -> None:
        self.mean = rows.mean(0)
        centred = (rows - self.mean).astype(np.float64)
        targets = np.eye(labels.max() + 1)[labels]
        products = centred @ centred.T
        products += RIDGE * np.trace(products) / len(rows) * np.eye(len(rows))
        self.weight = centred.T @ np.linalg.solve(products, targets)

    def __call__(self, rows: Features) -> np.ndarray:
        """The label of each row."""
        best: np.ndarray = ((rows - self.mean) @ self.weight).argmax(1)
        return best


def compare(name: str, exact: Features, fast: Features, labels: np.ndarray) -> None:
    """Print the rows of one precision; even frames are fitted to, odd ones measured."""
    classify = LinearClassifier(exact[::2], labels[::2])
    pca = fit_pca([exact[::2]]).whitened(len(exact) // 2 // ROWS_PER_DIM)
    whitened = [pca.apply(rows[1::2]) for rows in (fast, exact)]
    steps = np.abs(np.subtract(*(quantize(rows).astype(int) for rows in whitened)))
    answers = [classify(rows[1::2]) for rows in (fast, exact)]
    print(
        f"| {name} | {relative_rms(fast[1::2], exact[1::2]):.2%} | {lowest_cosine(fast[1::2], exact[1::2]):.5f} "
        f"| {relative_rms(*whitened):.1%} | {lowest_cosine(*whitened):.4f} | {np.mean(steps > 0):.0%}, by at most "
        f"{steps.max()} | {neighbours_kept(fast, exact):.1%} | {np.mean(answers[0] == answers[1]):.1%} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*")
    parser.add_argument("--weights", help="trained weights of Inception, as --weights of the job")
    parser.add_argument("--audio-weights", help="trained weights of VGGish")
    parser.add_argument("--fps", default="2")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if bool(arguments.weights) != bool(arguments.videos):
        parser.error("--weights and videos belong together")
    if arguments.weights:
        compare_frames(arguments)
    if arguments.audio_weights:
        compare_sound(arguments)


def compare_frames(arguments: argparse.Namespace) -> None:
    """Print the errors of Inception in each precision."""
    frames, places = zip(*stretches(arguments.videos, arguments.fps), strict=True)
    labels = np.unique([f"{path} {stretch}" for path, stretch in places], return_inverse=True)[1]
    weights = resolve_weights(arguments.weights, "frames")
    assert weights  # only a PCA can be "none"

    def embed(precision: str) -> Features:
        config = EmbedderConfig(weights, precision=precision, device="cpu", threads=arguments.threads)
        return FrameEmbedder(config)(frames)

    print(f"Inception, {arguments.weights}: {len(frames)} frames of {len(arguments.videos)} videos\n")
    print("| precision | features | cosine | whitened | cosine | codes that differ | neighbours kept | labels kept |")
    print("|---|---|---|---|---|---|---|---|")
    exact = embed("fp32")
    for precision in ("bf16", "int8") if has_cpu_int8() else ("bf16",):
        compare(precision, exact, embed(precision), labels)


def compare_sound(arguments: argparse.Namespace) -> None:
    """Print the errors of VGGish in bf16."""
    sound = resolve_weights(arguments.audio_weights, "sound")
    assert sound
    windows = synthetic_windows(NUM_WINDOWS)
    rows = [
        AudioEmbedder(EmbedderConfig(sound, precision=precision, device="cpu", threads=arguments.threads))(windows)
        for precision in ("bf16", "fp32")
    ]
    print(f"\nVGGish bf16, {len(windows)} windows: {relative_rms(*rows):.2%}, cosine {lowest_cosine(*rows):.5f}")


if __name__ == "__main__":
    main()
