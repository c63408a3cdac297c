"""Scoring in this process: portions on threads, one a core. What takes long lets other threads run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import torch

from cluster.engines.base import EngineError, usable_cores
from cluster.engines.options import EngineOptions
from cluster.scoring.feature_scorer import Portion, Scorer
from cluster.scoring.label_writer import ScoredPortion
from schemas.records import Machine


class LocalScoring:
    """Scores here and now."""

    def __init__(self, options: EngineOptions) -> None:
        self._workers = options.workers or usable_cores()

    def machine(self) -> Machine:
        """This machine."""
        return Machine(engine="local", nodes=1, cpus=usable_cores(), gpus=torch.cuda.device_count())

    def run(self, portions: Sequence[Portion], scorer: Scorer) -> Iterator[ScoredPortion]:
        """See `ScoringEngine.run`."""
        threads_before = torch.get_num_threads()
        scorer.setup()
        pool = ThreadPoolExecutor(self._workers, "scoring", initializer=torch.set_num_threads, initargs=(1,))
        waiting = iter(portions)
        running: set[Future[ScoredPortion]] = set()
        try:
            for portion in waiting:
                running.add(pool.submit(scorer, portion))
                if len(running) > self._workers:  # one more than can be worked on, so that nobody waits
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except (RuntimeError, MemoryError) as error:  # torch's own among them
            raise EngineError(f"scoring failed, through no file's fault: {error}") from error
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads_before)

    def close(self) -> None:
        """Nothing to let go of."""


def make_engine(options: EngineOptions) -> LocalScoring:
    """See `cluster.engines.scoring_engines`."""
    return LocalScoring(options)
