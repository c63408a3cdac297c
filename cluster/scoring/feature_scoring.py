"""Scoring from features: portions of their files, each labelled by a worker in one go."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa

from cluster.engines.scoring_engines import make_scoring_engine
from cluster.scoring.config import ScoringSettings
from cluster.scoring.feature_scorer import Portion
from cluster.scoring.label_source import Backlog, LabelSource
from cluster.scoring.label_writer import ScoredPortion
from cluster.scoring.plan import make_scoring_plan
from schemas.records import Machine

LINE_EVERY_SECONDS = 15.0

logger = logging.getLogger("framemill")


class FeatureScoring(LabelSource):
    """See `LabelSource`. Raises `cluster.scoring.plan.ScoringPlanError` for bad input."""

    def __init__(self, settings: ScoringSettings) -> None:
        super().__init__()
        self.plan = self._plan = make_scoring_plan(settings)
        engine = make_scoring_engine(settings.options.engine)
        self._engine = self._stack.enter_context(closing(engine))
        self._portions: list[Portion] = []

    def machine(self) -> Machine:
        """See `LabelSource.machine`."""
        return self._engine.machine()

    def begin(self) -> Backlog:
        """See `LabelSource.begin`."""
        plan = self._plan
        self._portions = plan.portions(plan.dataset.labelled(on_any_day=plan.settings.options.only_new))
        ids = [piece.ids for portion in self._portions for piece in portion.pieces]
        replaced = plan.dataset.withdraw(pa.chunked_array(ids, pa.string()))
        return Backlog(sum(portion.videos for portion in self._portions), replaced=replaced)

    def outcomes(self) -> Iterator[ScoredPortion]:
        """See `LabelSource.outcomes`."""
        if not self._portions:
            return  # there is no need for workers
        done, total = 0, sum(portion.videos for portion in self._portions)
        started = told_at = time.monotonic()
        with closing(self._engine.run(self._portions, self._plan.scorer)) as outcomes:  # type: ignore[type-var]
            for scored in outcomes:
                yield scored
                done += scored.videos + sum(unread.videos for unread in scored.unread)
                now = time.monotonic()
                if now - told_at > LINE_EVERY_SECONDS:
                    told_at = now
                    logger.info(f"{done}/{total} videos, {done / (now - started):.0f} videos/s")
