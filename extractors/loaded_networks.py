"""Networks of embedders in this process: prepared rows to embeddings, in batches.

In: prepared frames or log-mel examples. Out: float32 (N, D). `extractors.embedders` imports this when it loads a
network, and not before: torch takes longer to import than all else together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from extractors.batch_agreement import remembered
from extractors.embedder_config import EMBEDDING_VERSION, ROUNDING_VERSION, EmbedderConfig
from extractors.networks.batch_runner import TESTED_ROWS, BatchRunner
from extractors.networks.frame_transfer import GROUP_FRAMES, sent_in_groups
from extractors.networks.image_input import IMAGE_INPUTS, PreparedFrame, as_image_tensor
from extractors.networks.inception import InceptionV3
from extractors.networks.inference_form import PACK_BATCH, TILE_ROWS, to_inference_form
from extractors.networks.pca import Projection
from extractors.networks.precision import PRECISIONS, configure_torch
from extractors.networks.quantized_form import QuantizedInception
from extractors.networks.sizes import IMAGE_SIZE, NUM_BANDS, NUM_FRAMES
from extractors.weights.pretrained import build_inception, build_pca, build_vggish

CPU_STEM_FRAMES = 2  # per pass through Inception's first layers


class LoadedNetwork(ABC):
    """A network with its batch buffer; `dim` is the width D of its embeddings."""

    row_shape: tuple[int, ...]
    default_batch: dict[str, int]
    row_types = PRECISIONS  # of prepared rows, by precision
    variant = ""

    def __init__(self, config: EmbedderConfig, dim: int) -> None:
        device, precision = configure_torch(config.device, config.precision, config.threads)
        network, features = self._load(config, precision, device)
        network.to(device)
        project = Projection(build_pca(config.pca)).to(device) if config.pca else nn.Identity()
        rows = config.batch_size or self.default_batch[device.type]
        sizes = CPU_STEM_FRAMES, TILE_ROWS, PACK_BATCH, TESTED_ROWS
        versions = EMBEDDING_VERSION, ROUNDING_VERSION
        settings = (type(self).__name__, self.variant, precision, config.pca is not None, rows, *sizes, *versions)
        with torch.inference_mode():
            self._runner = BatchRunner(
                lambda batch: project(features(batch)),
                shape=(rows, *self.row_shape),
                dtype=self.row_types[precision],
                device=device,
            )
            self._runner.prepare(lambda test: remembered(test, settings))
        self._dim = dim

    @property
    def is_on_gpu(self) -> bool:
        """Whether it is."""
        return self._runner.buffer.is_cuda

    def embed_inputs(self, groups: Iterable[Tensor]) -> NDArray[np.float32]:
        """A stream of network inputs (n, *row_shape) of any n to embeddings (N, D)."""
        with torch.inference_mode():
            embeddings = list(self._runner.results(groups))
            return torch.cat(embeddings).cpu().numpy() if embeddings else np.zeros((0, self._dim), dtype=np.float32)

    @abstractmethod
    def embed_prepared(self, rows: Iterable[Any]) -> NDArray[np.float32]:
        """A stream of prepared rows to embeddings (N, D)."""

    @abstractmethod
    def _load(
        self, config: EmbedderConfig, precision: str, device: torch.device
    ) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """The network in its inference form, and the function that maps a batch (B, *row_shape) to features."""


class LoadedInception(LoadedNetwork):
    """`PreparedFrame`s to float32 (N, 2048), or (N, 1024) with PCA."""

    row_shape = (IMAGE_SIZE, IMAGE_SIZE, 3)
    default_batch: dict[str, int] = {"cpu": 8, "cuda": 128}  # noqa: RUF012 - a constant of the class
    row_types = PRECISIONS | {"bf16": torch.float32}  # the first layers are in fp32 (`inference_form`)

    def embed_images(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Frames of any sizes to embeddings, for a network on the CPU; each is preprocessed and released at once."""
        direct = IMAGE_INPUTS[self.variant].direct
        return self.embed_inputs(direct(as_image_tensor(frame))[None] for frame in frames)

    @override
    def embed_prepared(self, rows: Iterable[PreparedFrame]) -> NDArray[np.float32]:
        device = self._runner.buffer.device
        groups = sent_in_groups(rows, device, GROUP_FRAMES[device.type])
        return self.embed_inputs(IMAGE_INPUTS[self.variant].on_device(group) for group in groups)

    @override
    def _load(
        self, config: EmbedderConfig, precision: str, device: torch.device
    ) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        trained, self.variant = build_inception(config.weights)
        network: InceptionV3 | QuantizedInception
        if precision == "int8":
            network = QuantizedInception(trained)
        else:
            network = to_inference_form(trained, dtype=PRECISIONS[precision])
        stem_frames = CPU_STEM_FRAMES if device.type == "cpu" else None
        # Rows are stored as H, W, C; permuted to C, H, W they are channels-last.
        return network, lambda rows: network.forward_features(rows.permute(0, 3, 1, 2), stem_frames=stem_frames)


class LoadedVggish(LoadedNetwork):
    """Log-mel examples, float32 (96, 64), to float32 (N, 128)."""

    row_shape = (NUM_FRAMES, NUM_BANDS)
    default_batch: dict[str, int] = {"cpu": 16, "cuda": 128}  # noqa: RUF012 - a constant of the class

    @override
    def embed_prepared(self, rows: Iterable[Tensor]) -> NDArray[np.float32]:
        return self.embed_inputs(example[None] for example in rows)

    @override
    def _load(
        self, config: EmbedderConfig, precision: str, device: torch.device
    ) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        network = to_inference_form(build_vggish(config.weights), dtype=PRECISIONS[precision])
        return network, network
