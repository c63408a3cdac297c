"""What the frozen stages of a model make of each video, computed once instead of in each epoch.

In: the source of a split, whose clips are the same in every epoch. Out: a source of the same batches, in the same
order, of what the frozen stages give (`StageBatch`); or the source itself where nothing is frozen, or where that would
take more memory than it may.

Each worker computes its share and gets those of the others, because the order of the next epoch deals all videos out
anew. What is kept holds as long as the same stages are frozen; and for the weights of any epoch, the best one's too,
where no epoch has trained them.
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

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class _Kept:
    """Values (rows, …) that stages before `first_stage` made of rows, which rise; None: there are too many."""

    first_stage: int
    rows: NDArray[np.intp]
    values: Tensor | None


class FrozenStages:
    """Keeps what the frozen stages of the model in `training` give, up to `limit_bytes` in all."""

    def __init__(self, training: Training, workers: Workers, *, limit_bytes: int) -> None:
        self._training, self._workers, self._limit_bytes = training, workers, limit_bytes
        self._kept: dict[str, _Kept] = {}

    def source(self, name: str, source: Source, in_order: Source) -> Source:
        """Batches of split `name`: `source` gives those of the epochs, `in_order` all of them once."""
        model = self._training.model
        if not isinstance(model, ClipModel) or not model.frozen_stages:
            return source
        assert isinstance(source, ClipSource)
        assert isinstance(in_order, ClipSource)
        kept = self._kept.get(name)
        if kept is None or kept.first_stage != model.frozen_stages:
            self._kept.pop(name, None)
            kept = self._kept[name] = _Kept(model.frozen_stages, in_order.rows, self._compute(name, in_order, model))
        return source if kept.values is None else _KeptSource(source, kept)

    def measured(self, name: str, source: Source) -> Source:
        """Batches of split `name`, or a part of it, to measure the best epoch with."""
        model, kept = self._training.model, self._kept.get(name)
        if (
            kept is None
            or kept.values is None
            or not isinstance(model, ClipModel)
            or not isinstance(source, ClipSource)
        ):
            return source
        holds = kept.first_stage == model.frozen_stages and self._training.is_base_untouched
        return _KeptSource(source, kept) if holds else source

    def _compute(self, name: str, source: ClipSource, model: ClipModel) -> Tensor | None:
        model.eval()
        shown = model.clip_format
        size = self._values(
            model, torch.zeros(1, shown.frames, shown.height, shown.width, shown.channels).byte()
        ).nbytes
        used = sum(kept.values.nbytes for kept in self._kept.values() if kept.values is not None)
        needed = size * len(source.rows)
        if used + needed > self._limit_bytes:
            logger.warning(
                f"what the frozen stages make of the {name} videos takes {needed / 2**20:.3g} MiB: it is computed "
                "anew in each epoch (--keep-frozen-mib)"
            )
            return None
        shares = self._workers.gather(torch.cat([self._values(model, batch.clips) for batch in source.batches()]))
        return torch.cat(shares) if len(shares) > 1 else shares[0]

    def _values(self, model: ClipModel, clips: Tensor) -> Tensor:
        placed = clips.to(next(model.parameters()).device)
        # And not in inference mode, whose tensors no gradient could be taken through.
        with torch.no_grad(), self._training.arithmetic():
            return model.forward_stages(model.prepare(placed), 0, model.frozen_stages).cpu()


class _KeptSource:
    """The batches of a source, by their values."""

    def __init__(self, source: ClipSource, kept: _Kept) -> None:
        self._source, self._kept = source, kept

    @property
    def steps(self) -> int:
        """See `training_data.Source`."""
        return self._source.steps

    def batches(self, epoch: int = 0) -> Iterator[StageBatch]:
        """See `training_data.Source`."""
        kept = self._kept
        assert kept.values is not None
        for rows in self._source.row_batches(epoch):
            values = kept.values[torch.from_numpy(np.searchsorted(kept.rows, rows))]
            yield StageBatch(values, kept.first_stage, self._source.targets(rows), self._source.ids(rows))
