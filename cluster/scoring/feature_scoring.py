"""Scoring of features: portions of their files, each of which is one task of a worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from contextlib import closing

import pyarrow as pa
from typing_extensions import override

from cluster.engines.base import Engine
from cluster.engines.portion_queue import PortionQueue
from cluster.scoring.config import ScoringSettings
from cluster.scoring.feature_plan import make_feature_plan
from cluster.scoring.feature_scorer import Portion
from cluster.scoring.label_source import Backlog, LabelSource, RunStats
from cluster.scoring.label_writer import ScoredPortion
from schemas.records import Machine

LOG_EVERY_SECONDS = 15.0

logger = logging.getLogger("framemill")


class FeatureScoring(LabelSource):
    """Labels of features. Raises `InputError` for bad input."""

    def __init__(self, settings: ScoringSettings, engine: Engine | None = None) -> None:
        super().__init__()
        self.plan = self._plan = make_feature_plan(settings)
        self._engine = self._open(engine, settings)
        self._portions: list[Portion] = []
        self._queue: PortionQueue[Portion, ScoredPortion] = PortionQueue(())

    @override
    def machine(self) -> Machine:
        return self._engine.machine(self._plan.scorer.resources)

    def is_behind(self) -> bool:
        """Whether there is anything to score."""
        return bool(self._backlog())

    @override
    def begin(self) -> Backlog:
        plan = self._plan
        self._portions = self._backlog()
        self._queue = PortionQueue(self._portions)
        if self._portions:
            self._engine = self._engine.started()
        ids = [piece.ids for portion in self._portions for piece in portion.pieces]
        replaced = plan.dataset.withdraw(pa.chunked_array(ids, pa.string()))
        return Backlog(sum(portion.videos for portion in self._portions), replaced=replaced)

    def _backlog(self) -> list[Portion]:
        plan = self._plan
        return plan.portions(plan.dataset.labelled(on_any_day=plan.settings.options.only_new))

    @override
    def outcomes(self) -> Generator[ScoredPortion]:
        if not self._portions:
            return  # no workers are needed
        done, total = 0, sum(portion.videos for portion in self._portions)
        started = logged_at = time.monotonic()
        with closing(self._engine.run(self._queue, self._plan.scorer)) as outcomes:
            for scored in outcomes:
                yield scored
                done += scored.videos + sum(unread.videos for unread in scored.unread)
                now = time.monotonic()
                if now - logged_at > LOG_EVERY_SECONDS:
                    logged_at = now
                    logger.info(f"{done}/{total} videos, {done / (now - started):.0f} videos/s")

    @override
    def stats(self) -> RunStats:
        return RunStats(
            retried=sum(portion.videos for portion in self._portions if portion.key in self._queue.retried),
            workers_lost=self._queue.workers_lost,
            nodes_lost=len(self._queue.nodes_lost),
        )
