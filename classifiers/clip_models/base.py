"""What every clip classifier is: a chain of stages from clips to features, and a head on it.

In: clips, uint8 (N, T, H, W, C). Out: logits (N, K). N clips, T frames, C channels, F features, K classes.

    clips ─ prepare ─► float (N, C, T, H, W) ─ stages … ─► features (N, F) ─ head ─► logits (N, K)

`forward_features` is all but the head. Stages are the units of freezing: each takes what the one before it gives, so
that what frozen ones give can be kept, and any of them computed anew in the backward pass instead of being remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.published_layout import Layout
from classifiers.layers.heads import glorot_linear
from classifiers.registration import Registry
from schemas.clips import ClipFormat

HEAD = "head"


class ClipModel(nn.Module):
    """A network over clips. `clip_format` says what it looks at, `feature_dim` is F, `dropout` is that of the head.

    `config` has the numbers that a family made it of. `layouts` are those of public files with weights of the network;
    see `published_clips.fill`.
    """

    layouts: ClassVar[tuple[Layout, ...]] = ()
    config: ClipConfig

    def __init__(
        self,
        *,
        stages: Mapping[str, nn.Module],
        clip_format: ClipFormat,
        feature_dim: int,
        num_classes: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.clip_format = clip_format
        self.feature_dim = feature_dim
        self.dropout = dropout
        self.trunk = nn.ModuleDict(stages)
        self.head = nn.Linear(feature_dim, num_classes)
        self.num_classes = num_classes
        self.recompute = False
        self._frozen = 0
        self.reset_head(num_classes)

    def stages(self) -> dict[str, nn.Module]:
        """All stages by name, in order; the last is the head."""
        return {**self.trunk, HEAD: self.head}

    def prepare(self, clips: Tensor) -> Tensor:
        """Clips, uint8 (N, T, H, W, C), as the first stage wants them: float32 (N, C, T, H, W).

        Raises:
            ValueError: for another shape or number of channels.
        """
        channels = self.clip_format.channels
        if clips.ndim != 5 or clips.shape[-1] != channels or clips.dtype != torch.uint8:
            kind = str(clips.dtype).removeprefix("torch.")
            raise ValueError(
                f"{type(self).__name__} takes clips of shape (N, T, H, W, {channels}), uint8, "
                f"got {tuple(clips.shape)}, {kind}"
            )
        mean = torch.tensor(self.clip_format.mean, device=clips.device)
        std = torch.tensor(self.clip_format.std, device=clips.device)
        # x / 255 first, as every published recipe does: the order decides the last bit.
        return ((clips.float() / 255 - mean) / std).permute(0, 4, 1, 2, 3).contiguous()

    def forward_stages(self, values: Tensor, first: int = 0, stop: int | None = None) -> Tensor:
        """What stages `first` to `stop` (exclusive; None: all but the head) make of `values`."""
        for stage in list(self.trunk.values())[first:stop]:
            if self.recompute and torch.is_grad_enabled():
                values = checkpoint(stage, values, use_reentrant=False, context_fn=partial(_contexts, stage))
            else:
                values = stage(values)
        return values

    def forward_features(self, values: Tensor) -> Tensor:
        """Features (N, F) of prepared clips."""
        return self.forward_stages(values)

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits (N, K) of features (N, F)."""
        logits: Tensor = self.head(F.dropout(features, self.dropout, self.head.training))
        return logits

    def forward(self, clips: Tensor, first_stage: int | None = None) -> Tensor:
        """Logits (N, K) of clips, uint8 (N, T, H, W, C); or of what the stages before `first_stage` make of them."""
        if first_stage is None:
            return self.forward_head(self.forward_features(self.prepare(clips)))
        return self.forward_head(self.forward_stages(clips, first_stage))

    def reset_head(self, num_classes: int) -> None:
        """Put a fresh head for other classes on the trained network."""
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 1")
        old = self.head.weight
        self.head = glorot_linear(self.feature_dim, num_classes).to(device=old.device, dtype=old.dtype)
        self.num_classes = num_classes

    def freeze(self, trained_stages: int | None) -> None:
        """Train the last so many stages alone (None: all). Frozen ones behave as in evaluation, statistics included."""
        stages = list(self.stages().values())
        if trained_stages is not None and not 1 <= trained_stages <= len(stages):
            raise ValueError(
                f"{trained_stages} stages cannot be trained: {type(self).__name__} has {len(stages)} "
                f"({', '.join(self.stages())}), and at least the head is"
            )
        self._frozen = 0 if trained_stages is None else len(stages) - trained_stages
        for number, stage in enumerate(stages):
            stage.requires_grad_(number >= self._frozen)
        self.train(self.training)

    @property
    def frozen_stages(self) -> int:
        """How many stages, from the first on, are not trained."""
        return self._frozen

    def train(self, mode: bool = True) -> Self:
        """See `torch.nn.Module.train`; frozen stages stay as in evaluation."""
        super().train(mode)
        for stage in list(self.trunk.values())[: self._frozen]:
            stage.eval()
        return self


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """What a stage is computed in, and computed anew in."""
    return nullcontext(), _statistics_kept(stage)


@contextmanager
def _statistics_kept(stage: nn.Module) -> Iterator[None]:
    """Keep the statistics of batch normalisation as they are: a batch that is looked at twice counts once."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
    norms = [module for module in stage.modules() if isinstance(module, kinds)]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter


@dataclass(frozen=True)
class Accuracy:
    """What was published of a model: top-1 in percent on a dataset, and where that stands."""

    percent: float
    dataset: str
    source: str


@dataclass(frozen=True)
class ClipModelEntry:
    """One name.

    model       the class; its constructor takes num_classes and config
    config      a frozen dataclass of the model's own numbers, with the values that belong to the name; it has
                `clip_format()`, what the model looks at
    parameters  with `classes` classes, those of the published weights
    gflops      of one clip of the model's format, a multiplication and its addition counted as two
    accuracy    None where none was published
    """

    name: str
    model: type[ClipModel]
    config: Any
    parameters: int
    classes: int
    gflops: float
    accuracy: Accuracy | None = None


CLIP_MODELS: Registry[ClipModelEntry] = Registry("clip model")
ModelT = TypeVar("ModelT", bound=type[ClipModel])


def register_clip_model(
    name: str, config: Any, *, parameters: int, classes: int, gflops: float, accuracy: Accuracy | None = None
) -> Callable[[ModelT], ModelT]:
    """Register the class below under `name`, once."""
    return CLIP_MODELS.register(
        lambda model: ClipModelEntry(name, model, config, parameters, classes, gflops, accuracy)
    )
