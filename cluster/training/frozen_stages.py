"""Outputs of a model's frozen stages, computed once instead of in each epoch.

In: the source of a split, whose clips are the same in every epoch. Out: a source of the same batches in the same order,
as outputs of the frozen stages (`StageBatch`); or the source itself if nothing is frozen, or if the outputs exceed the
memory limit.

Each worker computes its share and receives those of the others, because each epoch's order distributes all videos anew.
The outputs are valid while the same stages are frozen; and with the weights of any epoch, including the best one, if no
epoch has trained these stages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.clip_models.base import ClipModel
from classifiers.data.batches import StageBatch
from classifiers.training.loop import Training
from classifiers.training.workers import Workers
from cluster.training.clip_source import ClipSource
from cluster.training.data import Source
from cluster.training.progress import UNWATCHED, Meter

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class _Outputs:
    """Outputs (N, …) of the stages before `first_stage` for N ascending `rows`; None if they exceed the limit."""

    first_stage: int
    rows: NDArray[np.intp]
    values: Tensor | None


class FrozenStages:
    """Caches the outputs of the frozen stages of `training`'s model, up to `limit_bytes` in all."""

    def __init__(self, training: Training, workers: Workers, *, limit_bytes: int, meter: Meter = UNWATCHED) -> None:
        self._training, self._workers, self._limit_bytes, self._meter = training, workers, limit_bytes, meter
        self._outputs: dict[str, _Outputs] = {}

    def source(self, name: str, source: Source, in_order: Source) -> Source:
        """Batches of split `name` for an epoch: those of `source`; `in_order` has all videos once."""
        model = self._training.model
        if not isinstance(model, ClipModel) or not model.frozen_stages:
            self._outputs.pop(name, None)  # all stages are trained now, and a later phase may freeze them again
            return source
        assert isinstance(source, ClipSource)
        assert isinstance(in_order, ClipSource)
        outputs = self._outputs.get(name)
        if outputs is None or outputs.first_stage != model.frozen_stages:
            self._outputs.pop(name, None)
            outputs = self._outputs[name] = _Outputs(
                model.frozen_stages, in_order.rows, self._compute(name, in_order, model)
            )
        return source if outputs.values is None else _StageSource(source, outputs)

    def evaluation_source(self, name: str, source: Source) -> Source:
        """Batches of split `name`, or a sample of it, to evaluate the best epoch."""
        model, outputs = self._training.model, self._outputs.get(name)
        if (
            outputs is None
            or outputs.values is None
            or not isinstance(model, ClipModel)
            or not isinstance(source, ClipSource)
        ):
            return source
        is_valid = outputs.first_stage == model.frozen_stages and self._training.has_initial_frozen_stages
        return _StageSource(source, outputs) if is_valid else source

    def _compute(self, name: str, source: ClipSource, model: ClipModel) -> Tensor | None:
        model.eval()
        shape = model.clip_format
        size = self._values(
            model, torch.zeros(1, shape.frames, shape.height, shape.width, shape.channels).byte()
        ).nbytes
        used = sum(outputs.values.nbytes for outputs in self._outputs.values() if outputs.values is not None)
        needed = size * len(source.rows)
        if used + needed > self._limit_bytes:
            logger.warning(
                f"outputs of the frozen stages for the {name} videos take {needed / 2**20:.3g} MiB: they are computed "
                "in each epoch (--keep-frozen-mib)"
            )
            return None
        batches = self._meter.follow(f"frozen stages of {name}", source.batches(), len(source.rows))
        shares = self._workers.gather(torch.cat([self._values(model, batch.clips) for batch in batches]))
        return torch.cat(shares) if len(shares) > 1 else shares[0]

    def _values(self, model: ClipModel, clips: Tensor) -> Tensor:
        placed = clips.to(next(model.parameters()).device)
        # Not inference mode, whose tensors cannot take part in a backward pass.
        with torch.no_grad(), self._training.arithmetic():
            return model.forward_stages(model.prepare(placed), 0, model.frozen_stages).cpu()


class _StageSource:
    """The batches of a source, as outputs of the frozen stages."""

    def __init__(self, source: ClipSource, outputs: _Outputs) -> None:
        self._source, self._outputs = source, outputs

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""
        return self._source.steps

    def batches(self, epoch: int = 0) -> Iterator[StageBatch]:
        """One pass over the source's batches."""
        outputs = self._outputs
        assert outputs.values is not None
        for rows in self._source.row_batches(epoch):
            values = outputs.values[torch.from_numpy(np.searchsorted(outputs.rows, rows))]
            yield StageBatch(values, outputs.first_stage, self._source.targets(rows), self._source.ids(rows))
