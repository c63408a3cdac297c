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
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from extractors.embedder_config import EmbedderConfig
from extractors.networks.sizes import EMBEDDING_DIM, FEATURE_DIM, OUTPUT_DIMS
from extractors.weights.weight_sets import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from extractors.loaded_networks import LoadedInception, LoadedNetwork
    from extractors.networks.image_input import PreparedFrame

PREPARED_WINDOWS = 64  # per call of `log_mel`: the spectrum takes ten times the memory of its window
EmbedRows = Callable[[Iterable[Any]], NDArray[np.float32]]  # prepared rows, as they come, to embeddings (N, D)


class Embedder(ABC):
    """The common part of both embedders: configuration, and after `setup` a network."""

    weights_kind: Kind
    pca_kind: Kind
    variant = ""  # of the network, where the weights determine it
    chunk_rows = 32  # rows that travel together to a network in another process

    def __init__(self, config: EmbedderConfig) -> None:
        for weights, kind in ((config.weights, self.weights_kind), (config.pca, self.pca_kind)):
            if weights is not None and weights.kind != kind:
                raise ValueError(
                    f"{weights.spec!r} was resolved for {weights.kind}, {type(self).__name__} needs {kind}"
                )
        self.config = config
        self._network: LoadedNetwork | None = None
        self._embed_elsewhere: EmbedRows | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The network is not pickled; the receiver calls `setup`."""
        return {**self.__dict__, "_network": None}

    @property
    def is_random(self) -> bool:
        """Whether weights or PCA are random."""
        return self.config.is_random

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, the width of an embedding."""

    def files(self) -> list[str]:
        """The paths of the files that `setup` cannot do without: other machines draw a random network again."""
        network, pca = self.config.weights, self.config.pca
        parts = (None if network.is_random else network, pca)
        return [part.path for part in parts if part is not None and part.path is not None]

    def embed_prepared(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """A stream of prepared rows to embeddings (N, D)."""
        embed = self._embed_elsewhere or self._loaded().embed_prepared
        return embed(rows)

    @staticmethod
    def pack(rows: list[Any]) -> Any:
        """Prepared rows as NumPy arrays, to be sent to another process."""
        return [row.numpy() for row in rows]

    @staticmethod
    def unpack(chunk: Any) -> list[Any]:
        """The prepared rows that `pack` has packed."""
        import torch

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
            self._loaded()

    def _loaded(self) -> LoadedNetwork:
        if self._network is None:
            self._network = self._load()
            self.variant = self._network.variant
        return self._network

    @abstractmethod
    def _load(self) -> LoadedNetwork:
        """The network, loaded in this process."""


class FrameEmbedder(Embedder):
    """uint8 frames to float32 (N, D); D = 1024 with PCA, 2048 without."""

    weights_kind: Kind = "frames"
    pca_kind: Kind = "frame-pca"

    @property
    @override
    def dim(self) -> int:
        return OUTPUT_DIMS[FEATURE_DIM] if self.config.pca else FEATURE_DIM

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Frames of any sizes to embeddings (N, D)."""
        return self.embed_stream(images)

    def embed_stream(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """A stream of frames to embeddings (N, D); each frame is preprocessed and released at once."""
        if self._embed_elsewhere is None and not (network := self._loaded()).is_on_gpu:
            return network.embed_images(frames)
        return self.embed_prepared(self.prepare(frame) for frame in frames)

    def prepare(self, frame: NDArray[np.uint8]) -> PreparedFrame:
        """The pixels that the network reads, to be sent to a GPU or another process; needs `variant` alone."""
        from extractors.networks.image_input import IMAGE_INPUTS, as_image_tensor

        return IMAGE_INPUTS[self.variant].on_host(as_image_tensor(frame))

    @override
    @staticmethod
    def pack(rows: list[PreparedFrame]) -> list[tuple[NDArray[np.uint8], int, int]]:
        return [(row.pixels.numpy(), row.height, row.width) for row in rows]

    @override
    @staticmethod
    def unpack(chunk: list[tuple[NDArray[np.uint8], int, int]]) -> list[PreparedFrame]:
        import torch

        from extractors.networks.image_input import PreparedFrame

        return [PreparedFrame(torch.from_numpy(pixels), height, width) for pixels, height, width in chunk]

    @override
    def _loaded(self) -> LoadedInception:
        return cast("LoadedInception", super()._loaded())

    @override
    def _load(self) -> LoadedInception:
        from extractors.loaded_networks import LoadedInception

        return LoadedInception(self.config, self.dim)


class AudioEmbedder(Embedder):
    """Audio windows, float32 (N, 15600), to float32 (N, 128), after PCA if configured."""

    weights_kind: Kind = "sound"
    pca_kind: Kind = "sound-pca"

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
        from extractors.networks.log_mel import log_mel

        return log_mel(windows)

    @override
    def _load(self) -> LoadedNetwork:
        from extractors.loaded_networks import LoadedVggish

        return LoadedVggish(self.config, self.dim)


def _parts(windows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    return (windows[start:][:PREPARED_WINDOWS] for start in range(0, len(windows), PREPARED_WINDOWS))
