"""Means that stay in memory: read once, in one pass for all splits, then batched in every epoch.

In: a mask over the rows of `FeatureFiles`. Out: sources of any of these rows. In order, their batches equal those of
`FeatureSource`; shuffled, all rows are shuffled as a whole. For a single worker, which sees the same rows every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from classifiers.data.batches import FeatureBatch
from classifiers.data.class_choice import Targets
from cluster.features.files import FeatureFiles
from cluster.features.read_ahead import read_ahead
from cluster.features.source import FeatureSource, SourceConfig, batches_of
from cluster.features.window import FeatureBuffer, FeatureWindow

PARTS_AHEAD = 4  # read ahead


class ResidentFeatures:
    """The means of the masked `rows` of `features`, read when the first batch is requested."""

    def __init__(self, features: FeatureFiles, rows: NDArray[np.bool_]) -> None:
        self._features, self._rows = features, rows

    def holds(self, features: FeatureFiles, rows: NDArray[np.bool_]) -> bool:
        """Whether all of the rows are resident."""
        return features is self._features and not (rows & ~self._rows).any()

    def source(self, config: SourceConfig, rows: NDArray[np.bool_], targets: Targets | None = None) -> ResidentSource:
        """A source of some of the resident rows."""
        return ResidentSource(self, config, rows, targets)

    @cached_property
    def window(self) -> FeatureWindow:
        """All resident rows, with their ids, in the order of the files."""
        stream = FeatureSource(self._features, SourceConfig(with_ids=True), rows=self._rows)
        buffer = FeatureBuffer(stream.rows)
        for part in read_ahead(stream.parts, PARTS_AHEAD):
            buffer.add(part)
        return buffer.window()


class ResidentSource:
    """Batches of some of the resident rows."""

    def __init__(
        self, resident: ResidentFeatures, config: SourceConfig, rows: NDArray[np.bool_], targets: Targets | None
    ) -> None:
        self._resident, self._config, self._mask, self._targets = resident, config, rows, targets

    @property
    def rows(self) -> int:
        """Number of videos."""
        return int(np.count_nonzero(self._mask))

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.rows // self._config.batch_size)

    def batches(self, epoch: int = 0) -> Iterator[FeatureBatch]:
        """One pass over the rows; if shuffled, `epoch` determines the order."""
        window = self._resident.window
        order = np.flatnonzero(self._mask[window.rows])
        if self._config.shuffle:
            order = np.random.default_rng((self._config.seed, epoch)).permutation(order)
        if not self._config.with_ids:
            window = replace(window, ids=())
        yield from batches_of(window, order, self._targets, self._config)
