"""Embedders: frames and audio windows to the embeddings that are stored, before quantisation.

- `FrameEmbedder`: uint8 (H, W, 3) RGB frames of any size to float32 (N, 1024), or (N, 2048) without PCA.
- `AudioEmbedder`: float32 (N, 15600) windows at 16 kHz in [-1, 1] to float32 (N, 128).

An embedder is cheap to create and pickle; `setup` loads its network once per process. The bits of a row do not depend
on the other rows, on the batch size or on the position in the batch (`batch_runner`, `inference_form`). On CUDA, uint8
frames are transferred in groups through pinned memory (`frame_transfer`), then resized and scaled on the device.

Agreement with fp32 on trained weights: `benchmarks/README.md`. Of VGGish no trained weights have been measured.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

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
from extractors.weights.resolve import ResolvedWeights
from extractors.weights.weight_sets import Kind

PREPARED_WINDOWS = 64  # per call of `log_mel`: the spectrum takes ten times the memory of its window
CPU_STEM_FRAMES = 2  # per pass through Inception's first layers
EmbedRows = Callable[[Iterable[Any]], NDArray[np.float32]]  # prepared rows, as they come, to embeddings (N, D)
EMBEDDING_VERSION = "2"  # incremented whenever the same input and weights give other numbers in fp32
ROUNDING_VERSION = "2"  # incremented whenever they do so in other precisions alone


@dataclass(frozen=True)
class EmbedderConfig:
    """Weights, PCA, and how inference runs.

    precision   a precision of the device, or `auto` (`extractors.networks.precision`)
    batch_size  None for the device's default
    threads     of torch, for the whole process; None for torch's default
    """

    weights: ResolvedWeights
    pca: ResolvedWeights | None = None
    precision: str = "auto"
    batch_size: int | None = None
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("batch_size", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    @property
    def is_random(self) -> bool:
        """Whether weights or PCA are random: the log and the metadata of the run must say so."""
        return self.weights.is_random or bool(self.pca and self.pca.is_random)

    def _resolved_precision(self) -> str:
        """The precision; unchecked if given by name, since it may be for another machine."""
        return resolve_precision("auto", resolve_device(self.device)) if self.precision == "auto" else self.precision

    def fingerprint_parts(self) -> dict[str, str]:
        """The settings that must be equal for two embeddings to be comparable; loads no network."""
        precision = self._resolved_precision()
        return {
            "weights": self.weights.fingerprint,
            "pca": self.pca.fingerprint if self.pca else "none",
            "precision": precision,
            "embedding_version": EMBEDDING_VERSION,
            **({} if precision == "fp32" else {"rounding_version": ROUNDING_VERSION}),
        }


class FrameEmbedderConfig(EmbedderConfig):
    """Weights of kind `frames`, a PCA of kind `frame-pca`."""


class AudioEmbedderConfig(EmbedderConfig):
    """Weights of kind `sound`, a PCA of kind `sound-pca`; no int8."""

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.precision == "int8":
            raise ValueError("the audio network has no int8 form; use the precision of `resolve_audio_precision`")


class Embedder(ABC):
    """The common part of both embedders: configuration, and after `setup` a network with its batch buffer."""

    weights_kind: Kind
    pca_kind: Kind
    row_shape: tuple[int, ...]
    default_batch: dict[str, int]
    row_types = PRECISIONS  # of prepared rows, by precision
    variant = ""  # of the network, where the weights determine it
    chunk_rows = 32  # rows that travel together to a network in another process

    def __init__(self, config: EmbedderConfig) -> None:
        for weights, kind in ((config.weights, self.weights_kind), (config.pca, self.pca_kind)):
            if weights is not None and weights.kind != kind:
                raise ValueError(
                    f"{weights.spec!r} was resolved for {weights.kind}, {type(self).__name__} needs {kind}"
                )
        self.config = config
        self._runner: BatchRunner | None = None
        self._embed_elsewhere: EmbedRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The network is not pickled; the receiver calls `setup`."""
        return {**self.__dict__, "_runner": None}

    @property
    def is_random(self) -> bool:
        """Whether weights or PCA are random."""
        return self.config.is_random

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the width of an embedding."""

    def files(self) -> list[str]:
        """The paths of the files that `setup` reads."""
        parts = (self.config.weights, self.config.pca)
        return [part.path for part in parts if part is not None and part.path is not None]

    def embed_prepared(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """A stream of prepared rows to embeddings (N, D)."""
        return self._embed_elsewhere(rows) if self._embed_elsewhere is not None else self._embed_here(rows)

    @staticmethod
    def pack(rows: list[Any]) -> Any:
        """Prepared rows as NumPy arrays, to be sent to another process."""
        return [row.numpy() for row in rows]

    @staticmethod
    def unpack(chunk: Any) -> list[Any]:
        """The prepared rows that `pack` has packed."""
        return [torch.from_numpy(row) for row in chunk]

    def proxy(self, embed: EmbedRows, variant: str) -> Self:
        """The same embedder with its network, which is `variant`, in another process; needs no `setup`."""
        other = type(self)(self.config)
        other.variant, other._embed_elsewhere = variant, embed
        return other

    def fingerprint_parts(self) -> dict[str, str]:
        """The settings that must be equal for two embeddings to be comparable."""
        return self.config.fingerprint_parts()

    def setup(self) -> None:
        """Load the network and the PCA; a second call has no effect."""
        if self._embed_elsewhere is None:
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
                    dtype=self.row_types[precision],
                    device=device,
                )
                runner.prepare()
            self._runner = runner
        return self._runner

    def _embed_inputs(self, groups: Iterable[Tensor]) -> NDArray[np.float32]:
        """A stream of network inputs (n, *row_shape) of any n to embeddings (N, D)."""
        runner = self._ready_runner()
        with torch.inference_mode():
            return _as_array(list(runner.results(groups)), self.dim)

    @abstractmethod
    def _embed_here(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """A stream of prepared rows to embeddings (N, D) in this process."""

    @abstractmethod
    def _load(self, precision: str, device: torch.device) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """The network in its inference form, and the function that maps a batch (B, *row_shape) to features."""


class FrameEmbedder(Embedder):
    """uint8 frames to float32 (N, D); D = 1024 with PCA, 2048 without."""

    weights_kind: Kind = "frames"
    pca_kind: Kind = "frame-pca"
    row_shape = (IMAGE_SIZE, IMAGE_SIZE, 3)
    default_batch: dict[str, int] = {"cpu": 8, "cuda": 128}  # noqa: RUF012 - a constant of the class
    row_types = PRECISIONS | {"bf16": torch.float32}  # the first layers are in fp32 (`inference_form`)

    @property
    @override
    def dim(self) -> int:
        return OUTPUT_DIMS[FEATURE_DIM] if self.config.pca else FEATURE_DIM

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Frames of any sizes to embeddings (N, D)."""
        return self.embed_stream(images)

    def embed_stream(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """A stream of frames to embeddings (N, D); each frame is preprocessed and released at once."""
        if self._embed_elsewhere is not None or self._ready_runner().buffer.is_cuda:
            return self.embed_prepared(self.prepare(frame) for frame in frames)
        image_input = IMAGE_INPUTS[self.variant]
        return self._embed_inputs(image_input.direct(as_image_tensor(frame))[None] for frame in frames)

    def prepare(self, frame: NDArray[np.uint8]) -> PreparedFrame:
        """The pixels that the network reads, to be sent to a GPU or another process; needs `variant` alone."""
        return IMAGE_INPUTS[self.variant].on_host(as_image_tensor(frame))

    @override
    @staticmethod
    def pack(rows: list[PreparedFrame]) -> list[tuple[NDArray[np.uint8], int, int]]:
        return [(row.pixels.numpy(), row.height, row.width) for row in rows]

    @override
    @staticmethod
    def unpack(chunk: list[tuple[NDArray[np.uint8], int, int]]) -> list[PreparedFrame]:
        return [PreparedFrame(torch.from_numpy(pixels), height, width) for pixels, height, width in chunk]

    @override
    def _embed_here(self, rows: Iterable[PreparedFrame]) -> NDArray[np.float32]:
        device = self._ready_runner().buffer.device
        groups = sent_in_groups(rows, device, GROUP_FRAMES[device.type])
        return self._embed_inputs(IMAGE_INPUTS[self.variant].on_device(group) for group in groups)

    @override
    def _load(self, precision: str, device: torch.device) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        trained, self.variant = build_inception(self.config.weights)
        network: InceptionV3 | QuantizedInception
        if precision == "int8":
            network = QuantizedInception(trained)
        else:
            network = to_inference_form(trained, dtype=PRECISIONS[precision])
        stem_frames = CPU_STEM_FRAMES if device.type == "cpu" else None
        # Rows are stored as H, W, C; permuted to C, H, W they are channels-last.
        return network, lambda rows: network.forward_features(rows.permute(0, 3, 1, 2), stem_frames=stem_frames)


class AudioEmbedder(Embedder):
    """Audio windows, float32 (N, 15600), to float32 (N, 128), after PCA if configured."""

    weights_kind: Kind = "sound"
    pca_kind: Kind = "sound-pca"
    row_shape = (NUM_FRAMES, NUM_BANDS)
    default_batch: dict[str, int] = {"cpu": 16, "cuda": 128}  # noqa: RUF012 - a constant of the class

    @property
    @override
    def dim(self) -> int:
        return EMBEDDING_DIM

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (N, 15600) in [-1, 1] to embeddings (N, 128)."""
        return self.embed_stream([windows])

    def embed_stream(self, blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """A stream of windows (n, 15600) of any n to embeddings (N, 128); each block is prepared and released."""
        return self.embed_prepared(row for block in blocks for part in _parts(block) for row in self.prepare(part))

    def prepare(self, windows: NDArray[np.float32]) -> Tensor:
        """Windows (N, 15600) to log-mel examples, float32 (N, 96, 64)."""
        return log_mel(windows)

    @override
    def _embed_here(self, rows: Iterable[Tensor]) -> NDArray[np.float32]:
        return self._embed_inputs(example[None] for example in rows)

    @override
    def _load(self, precision: str, device: torch.device) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        network = to_inference_form(build_vggish(self.config.weights), dtype=PRECISIONS[precision])
        return network, network


def _parts(windows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    return (windows[start:][:PREPARED_WINDOWS] for start in range(0, len(windows), PREPARED_WINDOWS))


def _as_array(embeddings: list[Tensor], dim: int) -> NDArray[np.float32]:
    """Concatenate batches of embeddings to one array (N, dim) on the host."""
    return torch.cat(embeddings).cpu().numpy() if embeddings else np.zeros((0, dim), dtype=np.float32)
