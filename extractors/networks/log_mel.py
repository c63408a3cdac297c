"""Log-mel spectrograms of audio windows, the input of VGGish.

In: float32 (N, 15600), mono windows of 0.975 s at 16 kHz, in [-1, 1]. Out: float32 (N, 96, 64): 96 frames of 25 ms
every 10 ms, 64 mel bands. N windows.

Source: tensorflow/models `research/audioset/vggish/mel_features.py`. Frames are not centred; periodic Hann window of
400 samples, FFT of 512, magnitude (not power); bands on the HTK mel scale from 125 to 7500 Hz, triangular in mel, the
DC bin empty; log(mel + 0.01). Computed in float64, rounded once, one window at a time: a window's values do not depend
on its neighbours.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from extractors.networks.sizes import NUM_BANDS, NUM_FRAMES

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SAMPLES = 512
LOWEST_HZ = 125.0
HIGHEST_HZ = 7500.0
LOG_OFFSET = 0.01
WINDOW_SAMPLES = HOP_SAMPLES * (NUM_FRAMES - 1) + FRAME_SAMPLES  # 15600


def log_mel(windows: NDArray[np.float32]) -> Tensor:
    """Windows (N, 15600) to log-mel examples, float32 (N, 96, 64).

    Raises:
        ValueError: if the windows have another shape or are not floating point.
    """
    if windows.ndim != 2 or windows.shape[1] != WINDOW_SAMPLES or not np.issubdtype(windows.dtype, np.floating):
        raise ValueError(
            f"audio windows must be floating point (N, {WINDOW_SAMPLES}) at {SAMPLE_RATE_HZ} Hz, "
            f"got {windows.dtype} {windows.shape}"
        )
    hann, mel_matrix = _hann(), _mel_matrix()
    examples = torch.empty((len(windows), NUM_FRAMES, NUM_BANDS))
    for example, window in zip(examples, windows, strict=True):
        samples = torch.from_numpy(window.astype(np.float64))
        frames = samples.unfold(0, FRAME_SAMPLES, HOP_SAMPLES) * hann  # 96, 400
        magnitude = torch.fft.rfft(frames, FFT_SAMPLES).abs()  # 96, 257
        example.copy_(torch.log(magnitude @ mel_matrix + LOG_OFFSET))
    return examples


@lru_cache(maxsize=1)
def _hann() -> Tensor:
    """Periodic Hann window, float64 (400,)."""
    return torch.hann_window(FRAME_SAMPLES, periodic=True, dtype=torch.float64)


@lru_cache(maxsize=1)
def _mel_matrix() -> Tensor:
    """Weights from FFT bins to mel bands, float64 (257, 64)."""
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    bins = _hz_to_mel(bins_hz)[:, None]
    edges = np.linspace(_hz_to_mel(np.array(LOWEST_HZ)), _hz_to_mel(np.array(HIGHEST_HZ)), NUM_BANDS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)  # 257, 64
    matrix = np.maximum(0.0, np.minimum(rising, falling))
    matrix[0] = 0.0
    return torch.from_numpy(matrix)


def _hz_to_mel(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frequencies on the HTK mel scale."""
    return 1127.0 * np.log1p(frequency_hz / 700.0)
