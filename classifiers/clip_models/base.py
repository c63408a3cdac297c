"""The base class of clip classifiers: a chain of stages from clips to features, with a head.

In: clips, uint8 (N, T, H, W, C). Out: logits (N, K). N clips, T frames, C channels, F features, K classes.

    clips ─ prepare ─► float (N, C, T, H, W) ─ stages … ─► features (N, F) ─ head ─► logits (N, K)

`forward_features` is everything but the head. Stages are the units of freezing: each takes the output of the stage
before it, so that the output of frozen stages can be cached, and activations can be recomputed stage by stage in the
backward pass instead of being stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from typing_extensions import override

from classifiers.clip_models.config import ClipConfig
from classifiers.layers.direct_conv import DirectConv3d
from classifiers.layers.fused_conv import FusibleConv
from classifiers.layers.heads import glorot_linear
from classifiers.published_layout import Layout
from classifiers.registration import Registry
from schemas.clips import ClipFormat

HEAD = "head"
REDUCED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)  # layers whose weights are held in reduced precision


class ClipModel(nn.Module):
    """A network over clips.

    config       the model's own configuration
    stages       the stages before the head, by name
    feature_dim  F
    clip_format  the format of its input
    dropout      of the features, before the head
    recompute    whether to recompute activations in the backward pass instead of storing them
    layouts      of the public files with weights of the network (`classifiers.weights.published_clips`)
    """

    layouts: tuple[Layout, ...] = ()

    def __init__(
        self, *, config: ClipConfig, stages: Mapping[str, nn.Module], feature_dim: int, num_classes: int
    ) -> None:
        super().__init__()
        self.config = config
        self.clip_format: ClipFormat = config.clip_format()
        self.feature_dim = feature_dim
        self.dropout = config.dropout
        self.trunk = nn.ModuleDict(stages)
        self.head = nn.Linear(feature_dim, num_classes)
        self.num_classes = num_classes
        self.recompute = False
        self._frozen = 0
        self.reset_head(num_classes)

    def stages(self) -> dict[str, nn.Module]:
        """All stages by name in order; the last is the head."""
        return {**self.trunk, HEAD: self.head}

    def prepare(self, clips: Tensor) -> Tensor:
        """Normalise clips, uint8 (N, T, H, W, C), to the input of the first stage, float32 (N, C, T, H, W).

        Raises:
            ValueError: for clips of another type, shape or number of channels.
        """
        return self._normalised(clips).permute(0, 4, 1, 2, 3).contiguous()

    def _normalised(self, clips: Tensor) -> Tensor:
        """Checked clips, normalised, in their own order: (N, T, H, W, C)."""
        channels = self.clip_format.channels
        if clips.ndim != 5 or clips.shape[-1] != channels or clips.dtype != torch.uint8:
            dtype = str(clips.dtype).removeprefix("torch.")
            raise ValueError(
                f"{type(self).__name__} takes clips of shape (N, T, H, W, {channels}), uint8, "
                f"got {tuple(clips.shape)}, {dtype}"
            )
        form = self.clip_format
        # Divided by 255 first, as in the published recipes: the order affects the last bit.
        values = clips.float() / 255
        # Zeros and ones change nothing, and each step passes over all pixels.
        if any(form.mean):
            values = values - torch.tensor(form.mean, device=clips.device)
        if any(deviation != 1 for deviation in form.std):
            values = values / torch.tensor(form.std, device=clips.device)
        return values

    def forward_stages(self, values: Tensor, first: int = 0, stop: int | None = None) -> Tensor:
        """The output of stages `first` to `stop` (exclusive; None: all but the head), given `values` as input."""
        for stage in list(self.trunk.values())[first:stop]:
            if self.recompute and torch.is_grad_enabled():
                values = checkpoint(stage, values, use_reentrant=False, context_fn=partial(_contexts, stage))
            else:
                values = stage(values)
        return values

    def forward_features(self, values: Tensor) -> Tensor:
        """Prepared clips to features (N, F)."""
        return self.forward_stages(values)

    def forward_head(self, features: Tensor) -> Tensor:
        """Features (N, F) to logits (N, K)."""
        logits: Tensor = self.head(F.dropout(features, self.dropout, self.head.training))
        return logits

    def forward(self, clips: Tensor, first_stage: int | None = None) -> Tensor:
        """Clips, uint8 (N, T, H, W, C), to logits (N, K); with `first_stage`, from the input of that stage."""
        if first_stage is None:
            return self.forward_head(self.forward_features(self.prepare(clips)))
        return self.forward_head(self.forward_stages(clips, first_stage))

    def reset_head(self, num_classes: int) -> None:
        """Replace the head by a newly initialised one for `num_classes` classes."""
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 1")
        old = self.head.weight
        self.head = glorot_linear(self.feature_dim, num_classes).to(device=old.device, dtype=old.dtype)
        self.num_classes = num_classes

    def freeze(self, trained_stages: int | None) -> None:
        """Train only the last `trained_stages` (None: all); frozen stages stay in evaluation mode."""
        stages = list(self.stages().values())
        if trained_stages is not None and not 1 <= trained_stages <= len(stages):
            raise ValueError(
                f"{trained_stages} stages cannot be trained: {type(self).__name__} has {len(stages)} "
                f"({', '.join(self.stages())}), of which at least the head is trained"
            )
        self._frozen = 0 if trained_stages is None else len(stages) - trained_stages
        for number, stage in enumerate(stages):
            stage.requires_grad_(number >= self._frozen)
        self.train(self.training)

    def reduce(self, dtype: torch.dtype) -> None:
        """Convert the weights of all but the head to `dtype`, and convolutions to their fastest kernels."""
        for module in list(self.trunk.modules()):
            if isinstance(module, FusibleConv):
                module.fuse(dtype)
        for module in self.trunk.modules():
            if isinstance(module, REDUCED):
                module.to(dtype)
            if isinstance(module, nn.Conv3d):
                DirectConv3d.replace(module)

    def base(self) -> ClipModel | None:
        """A related network, on the meta device, whose weights can start this one as far as they fit; None if none."""
        return None

    @property
    def frozen_stages(self) -> int:
        """The number of frozen stages, from the first on."""
        return self._frozen

    @override
    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for stage in list(self.trunk.values())[: self._frozen]:
            stage.eval()
        return self


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """The contexts in which a stage is computed and recomputed."""
    return nullcontext(), _constant_statistics(stage)


@contextmanager
def _constant_statistics(stage: nn.Module) -> Iterator[None]:
    """Suspend the updates of batch norm statistics, so that a recomputed batch counts once."""
    norm_types = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
    norms = [module for module in stage.modules() if isinstance(module, norm_types)]
    saved = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, saved, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter


@dataclass(frozen=True)
class Accuracy:
    """The published top-1 accuracy of a model in percent, its dataset and its source."""

    percent: float
    dataset: str
    source: str


@dataclass(frozen=True)
class ClipModelEntry:
    """A named variant of a clip classifier.

    model       the class; its constructor takes num_classes and config
    config      the variant's configuration
    parameters  with `classes` classes, those of the published weights
    gflops      of one clip of the model's format; a multiplication and an addition count as two
    accuracy    None if none was published
    """

    name: str
    model: type[ClipModel]
    config: ClipConfig
    parameters: int
    classes: int
    gflops: float
    accuracy: Accuracy | None = None


CLIP_MODELS: Registry[ClipModelEntry] = Registry("clip model")
ModelT = TypeVar("ModelT", bound=type[ClipModel])


def register_clip_model(
    name: str, config: ClipConfig, *, parameters: int, classes: int, gflops: float, accuracy: Accuracy | None = None
) -> Callable[[ModelT], ModelT]:
    """A class decorator that registers a variant of the class as `name`."""
    return CLIP_MODELS.register(
        lambda model: ClipModelEntry(name, model, config, parameters, classes, gflops, accuracy)
    )
