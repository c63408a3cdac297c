"""What the frozen stages of a model make of each video, computed once instead of in each epoch.

In: the source of a split, whose clips are the same in every epoch. Out: a source of the same batches, in the same
order, of what the frozen stages give (`StageBatch`); or the source itself where nothing is frozen, or where that would
take more memory than it may.

Each worker computes its share and gets those of the others, because the order of the next epoch deals all videos out
anew. What is kept holds as long as the same stages are frozen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from classifiers.clip_batch import StageBatch
from classifiers.clip_model import ClipModel
from classifiers.training import Training, Workers
from cluster.clip_source import ClipSource
from cluster.training_data import Source

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class _Kept:
    """Values (rows, …) that stages before `first_stage` made of the rows of a source; None: there are too many."""

    first_stage: int
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
            kept = self._kept[name] = _Kept(model.frozen_stages, self._compute(name, in_order, model))
        return source if kept.values is None else _KeptSource(source, kept.values, kept.first_stage)

    def _compute(self, name: str, source: ClipSource, model: ClipModel) -> Tensor | None:
        used = sum(kept.values.nbytes for kept in self._kept.values() if kept.values is not None)
        parts: list[Tensor] = []
        model.eval()
        for batch in source.batches():
            # And not in inference mode, whose tensors no gradient could be taken through.
            with torch.no_grad(), self._training.arithmetic():
                clips = batch.to(next(model.parameters()).device).clips
                parts.append(model.forward_stages(model.prepare(clips), 0, model.frozen_stages).cpu())
            needed = parts[0][0].nbytes * len(source.rows)
            if used + needed > self._limit_bytes:
                logger.warning(
                    f"what the frozen stages make of the {name} videos takes {needed >> 20} MiB: it is computed anew "
                    "in each epoch (--keep-frozen-mib)"
                )
                return None
        shares = self._workers.gather(torch.cat(parts))
        return torch.cat(shares) if len(shares) > 1 else shares[0]


class _KeptSource:
    """The batches of a source, by their values."""

    def __init__(self, source: ClipSource, values: Tensor, first_stage: int) -> None:
        self._source, self._values, self._first_stage = source, values, first_stage

    @property
    def steps(self) -> int:
        """See `training_data.Source`."""
        return self._source.steps

    def batches(self, epoch: int = 0) -> Iterator[StageBatch]:
        """See `training_data.Source`."""
        for rows in self._source.row_batches(epoch):
            values = self._values[torch.from_numpy(np.searchsorted(self._source.rows, rows))]
            yield StageBatch(values, self._first_stage, self._source.targets(rows), self._source.ids(rows))
