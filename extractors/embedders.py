"""Frames and sound windows to the embeddings that are stored.

- `FrameEmbedder`: uint8 (H, W, 3) RGB frames of any sizes to float32 (N, 1024), or (N, 2048) without PCA.
- `AudioEmbedder`: float32 (N, 15600) windows at 16 kHz in [-1, 1] to float32 (N, 128), before quantisation.

An embedder is cheap to make and to pickle; `setup` loads its networks, once per process. A row does not depend on the
rows beside it, on the batch size or on the position in a batch, to the bit (`batch_runner`, `inference_form`). On CUDA,
uint8 frames travel in groups through pinned memory (`frame_transfer`) and are resized and scaled there.

Agreement with fp32 (AMD EPYC with AVX-512 BF16 and VNNI, `python benchmarks/precision.py`: 96 drawn frames and windows,
random networks; give it videos, `--weights` and `--pca` for real ones). Relative RMS, the lowest cosine of any row, and
how far all pairs of rows keep their order of similarity (Spearman):

| network        | width | PCA                       | relative RMS | cosine   | ranks  | 8-bit codes that differ |
|----------------|-------|---------------------------|--------------|----------|--------|-------------------------|
| Inception bf16 | 2048  | before                    | 3.7e-3       | 0.999992 | 0.9999 |                         |
|                | 1024  | random projection         | 3.7e-3       | 0.999992 | 0.9999 | 13 %, by 1              |
|                | 16    | whitening fitted to these | 2.4e-2       | 0.99923  | 0.9992 | 69 %, by at most 8      |
| Inception int8 | 2048  | before                    | 2.6e-2       | 0.99972  | 0.985  |                         |
|                | 1024  | random projection         | 2.5e-2       | 0.99973  | 0.984  | 67 %, by at most 7      |
|                | 16    | whitening fitted to these | 1.6e-1       | 0.9630   | 0.961  | 92 %, by at most 37     |
| VGGish bf16    | 128   | before                    | 6.5e-3       | 0.999970 | 1.0000 |                         |
|                | 128   | random projection         | 6.5e-3       | 0.999970 | 1.0000 | 31 %, by at most 8      |
|                | 16    | whitening fitted to these | 2.2e-2       | 0.99765  | 0.9990 | 61 %, by at most 7      |

A random network gives all pictures nearly the same features, and whitening divides by the little that tells them apart:
those rows are the worst case. A code is 1/64 of a standard deviation. int8 costs seven times the error of bf16; trained
weights have not been measured.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from extractors.networks.batch_runner import BatchRunner
from extractors.networks.frame_transfer import GROUP_FRAMES, sent_in_groups
from extractors.networks.image_input import IMAGE_INPUTS, PreparedFrame, as_image_tensor
from extractors.networks.inception import FEATURE_DIM, IMAGE_SIZE, InceptionV3
from extractors.networks.inference_form import to_inference_form
from extractors.networks.log_mel import NUM_BANDS, NUM_FRAMES, log_mel
from extractors.networks.pca import OUTPUT_DIMS, Projection
from extractors.networks.precision import PRECISIONS, configure_torch, resolve_device, resolve_precision
from extractors.networks.quantized_form import QuantizedInception
from extractors.networks.vggish import EMBEDDING_DIM
from extractors.weights.pretrained import build_inception, build_pca, build_vggish
from extractors.weights.resolve import Kind, ResolvedWeights

PREPARED_WINDOWS = 64  # at a time: a window's spectrum takes ten times its own memory
CPU_STEM_FRAMES = 2  # at a time through Inception's first layers
EMBEDDING_VERSION = "2"  # raised whenever the same input and weights would give other numbers


@dataclass(frozen=True)
class EmbedderConfig:
    """Weights and PCA, and where and how the arithmetic runs.

    `threads` is torch's, for the whole process; None leaves it alone. `batch_size` None is the device's default.
    """

    weights: ResolvedWeights
    pca: ResolvedWeights | None = None
    precision: str = "auto"
    batch_size: int | None = None
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("batch_size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    @property
    def is_random(self) -> bool:
        """Whether any part is random numbers and not trained: the run's log and metadata must say so."""
        return self.weights.is_random or bool(self.pca and self.pca.is_random)

    def _named_precision(self) -> str:
        """The precision; one that is named may be meant for another machine than this."""
        return resolve_precision("auto", resolve_device(self.device)) if self.precision == "auto" else self.precision

    def fingerprint_parts(self) -> dict[str, str]:
        """What must be equal for two embeddings to mean the same; needs no network to be loaded."""
        return {
            "weights": self.weights.fingerprint,
            "pca": self.pca.fingerprint if self.pca else "none",
            "precision": self._named_precision(),
            "embedding_version": EMBEDDING_VERSION,
        }


class FrameEmbedderConfig(EmbedderConfig):
    """Weights of kind `frames`, a PCA of kind `frame-pca`."""


class AudioEmbedderConfig(EmbedderConfig):
    """Weights of kind `sound`, a PCA of kind `sound-pca`; no int8."""

    def __post_init__(self) -> None:
        """Check the numbers, and the precision."""
        super().__post_init__()
        if self.precision == "int8":
            raise ValueError("the sound network has no int8 form; `resolve_sound_precision` gives what goes with it")


class Embedder(ABC):
    """What the two embedders share: their configuration, and a network over a buffer once they are set up."""

    weights_kind: Kind
    pca_kind: Kind
    row_shape: tuple[int, ...]
    default_batch: dict[str, int]
    variant = ""  # which of several networks it is, where that is known from the weights alone

    def __init__(self, config: EmbedderConfig) -> None:
        for given, needed in ((config.weights, self.weights_kind), (config.pca, self.pca_kind)):
            if given is not None and given.kind != needed:
                raise ValueError(f"{given.spec!r} was resolved for {given.kind}, {type(self).__name__} needs {needed}")
        self.config = config
        self._runner: BatchRunner | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Only the configuration travels; the other side sets up for itself."""
        return {"config": self.config, "_runner": None}

    @property
    def is_random(self) -> bool:
        """Whether weights or PCA are random."""
        return self.config.is_random

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width D of an embedding."""

    def files(self) -> list[str]:
        """Paths of the files that `setup` reads."""
        parts = (self.config.weights, self.config.pca)
        return [part.path for part in parts if part is not None and part.path is not None]

    @abstractmethod
    def embed_prepared(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """Prepared rows, as they come, to embeddings (N, D)."""

    def fingerprint_parts(self) -> dict[str, str]:
        """What must be equal for two embeddings to mean the same."""
        return self.config.fingerprint_parts()

    def setup(self) -> None:
        """Load the network and the PCA; a second call does nothing."""
        self._ready_runner()

    def _ready_runner(self) -> BatchRunner:
        if self._runner is None:
            config = self.config
            device, precision = configure_torch(config.device, config.precision, config.threads)
            network, features = self._load(precision, device)
            network.to(device)
            project = Projection(build_pca(config.pca)).to(device) if config.pca else nn.Identity()

            rows = config.batch_size or self.default_batch[device.type]
            with torch.inference_mode():
                runner = BatchRunner(
                    lambda batch: project(features(batch)),
                    shape=(rows, *self.row_shape),
                    dtype=PRECISIONS[precision],
                    device=device,
                )
                runner.prepare()
            self._runner = runner
        return self._runner

    def _embed_inputs(self, groups: Iterable[Tensor]) -> NDArray[np.float32]:
        """Network inputs (n, *row_shape), as they come, any n at a time, to embeddings (N, D)."""
        runner = self._ready_runner()
        with torch.inference_mode():
            return _as_array(list(runner.results(groups)), self.dim)

    @abstractmethod
    def _load(self, precision: str, device: torch.device) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """The network in its form for running, and what maps a batch of rows (B, *row_shape) to features."""


class FrameEmbedder(Embedder):
    """uint8 frames to float32 (N, D): D = 1024 with PCA, 2048 without."""

    weights_kind: Kind = "frames"
    pca_kind: Kind = "frame-pca"
    row_shape = (IMAGE_SIZE, IMAGE_SIZE, 3)
    default_batch: dict[str, int] = {"cpu": 8, "cuda": 128}  # noqa: RUF012 - a constant of the class

    @property
    def dim(self) -> int:
        """Width D of an embedding."""
        return OUTPUT_DIMS[FEATURE_DIM] if self.config.pca else FEATURE_DIM

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Frames, of the same or different sizes, to embeddings (N, D)."""
        return self.embed_stream(images)

    def embed_stream(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Frames as they come to embeddings (N, D); a frame is reduced to the network's input and let go at once."""
        if self._ready_runner().buffer.is_cuda:
            return self.embed_prepared(self.prepare(frame) for frame in frames)
        return self._embed_inputs(self._image_input.here(as_image_tensor(frame))[None] for frame in frames)

    def prepare(self, frame: NDArray[np.uint8]) -> PreparedFrame:
        """What the network reads of a frame, for a network in another place; needs `prepare_for` alone."""
        return self._image_input.on_host(as_image_tensor(frame))

    def embed_prepared(self, frames: Iterable[PreparedFrame]) -> NDArray[np.float32]:
        """Prepared frames, as they come, to embeddings (N, D): the same as those of the frames, to the bit."""
        device = self._ready_runner().buffer.device
        groups = sent_in_groups(frames, device, GROUP_FRAMES[device.type])
        return self._embed_inputs(self._image_input.on_device(group) for group in groups)

    def prepare_for(self, variant: str) -> None:
        """Get ready for `prepare` without a network: `variant` is that of the network in the other place."""
        self.variant = variant
        self._image_input = IMAGE_INPUTS[variant]

    def _load(self, precision: str, device: torch.device) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        trained, variant = build_inception(self.config.weights)
        self.prepare_for(variant)
        network: InceptionV3 | QuantizedInception
        if precision == "int8":
            network = QuantizedInception(trained)
        else:
            network = to_inference_form(trained, dtype=PRECISIONS[precision])
        stem_frames = CPU_STEM_FRAMES if device.type == "cpu" else None
        # Rows are stored as H, W, C; seen as C, H, W they are what channels-last kernels want.
        return network, lambda rows: network.forward_features(rows.permute(0, 3, 1, 2), stem_frames=stem_frames)


class AudioEmbedder(Embedder):
    """Sound windows, float32 (N, 15600), to float32 (N, 128), after PCA where there is one."""

    weights_kind: Kind = "sound"
    pca_kind: Kind = "sound-pca"
    row_shape = (NUM_FRAMES, NUM_BANDS)
    default_batch: dict[str, int] = {"cpu": 16, "cuda": 128}  # noqa: RUF012 - a constant of the class

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return EMBEDDING_DIM

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (N, 15600) in [-1, 1] to embeddings (N, 128)."""
        starts = range(0, len(windows), PREPARED_WINDOWS)
        return self.embed_prepared(row for start in starts for row in self.prepare(windows[start:][:PREPARED_WINDOWS]))

    def prepare(self, windows: NDArray[np.float32]) -> Tensor:
        """Windows (N, 15600) to what the network reads: float32 (N, 96, 64)."""
        return log_mel(windows)

    def embed_prepared(self, examples: Iterable[Tensor]) -> NDArray[np.float32]:
        """Prepared windows, each (96, 64), to embeddings (N, 128)."""
        return self._embed_inputs(example[None] for example in examples)

    def _load(self, precision: str, device: torch.device) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        network = to_inference_form(build_vggish(self.config.weights), dtype=PRECISIONS[precision])
        return network, network


def _as_array(embeddings: list[Tensor], dim: int) -> NDArray[np.float32]:
    """Batches of embeddings to one array (N, dim) on the host."""
    return torch.cat(embeddings).cpu().numpy() if embeddings else np.zeros((0, dim), dtype=np.float32)
