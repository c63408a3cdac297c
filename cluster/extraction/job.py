"""Feature extraction, from options to an exit code.

manifest ─► plan ─ lease ─► increment (what earlier runs have not settled) ─► run ─► record, report
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager

from cluster.datasets.feature_dataset import DatasetError
from cluster.datasets.increment import increment_of
from cluster.engines.base import Engine
from cluster.engines.registry import make_engine
from cluster.extraction.config import ExtractionConfig
from cluster.extraction.dry_run import estimate
from cluster.extraction.plan import Inputs, Plan, PlanError, make_plan, read_inputs, save_vocabulary
from cluster.extraction.run import ExtractionRun, close_record_of
from cluster.storage.files import StorageError
from cluster.storage.lease import Lease
from schemas.runs import RunRecord

DONE, FAILED, BAD_INPUT, TOO_MANY_FAILURES, INTERRUPTED = 0, 1, 2, 3, 130

logger = logging.getLogger("framemill")


def run_extraction(config: ExtractionConfig) -> int:
    """Do all that is left to do. Returns the exit code.

    0 (done), 1 (the engine gave up, or the output takes no more), 2 (bad input, or another run is writing: nothing was
    touched), 3 (too many failures), 130 (interrupted).
    """
    try:
        with planned(config, read_inputs(config)) as (plan, engine):
            if config.dry_run:
                increment = increment_of(plan.videos, plan.dataset.settled(), config.retry_failed)
                print(estimate(plan, increment.pending, engine.machine()))
                return DONE
            with plan.dataset.lease() as lease:
                record = extract(plan, engine, lease)
    except PlanError as error:
        for problem in error.problems:
            logger.error(problem)
        return BAD_INPUT
    except (DatasetError, StorageError, ImportError) as error:
        logger.error(error)
        return BAD_INPUT
    return exit_code(record, config.max_failure_ratio)


@contextmanager
def planned(config: ExtractionConfig, inputs: Inputs) -> Iterator[tuple[Plan, Engine]]:
    """A run that can start, and what carries it out.

    Raises `PlanError`, `DatasetError`, `StorageError` or `ImportError` where it cannot.
    """
    with closing(make_engine(config.engine, config.engine_config())) as engine:
        yield make_plan(config, inputs, on_gpu=engine.machine().gpus > 0), engine


def extract(plan: Plan, engine: Engine, lease: Lease) -> RunRecord:
    """Carry a plan out, with the `lease` of its dataset."""
    for run_id in lease.predecessors:
        close_record_of(run_id, plan.dataset)
    settled = plan.dataset.prepare()
    increment = increment_of(plan.videos, settled, plan.config.retry_failed)
    plan.dataset.withdraw(increment.replaced)
    save_vocabulary(plan)
    return ExtractionRun(plan, increment, engine, had_failed=settled.failed.keys())()


def exit_code(record: RunRecord, max_failure_ratio: float) -> int:
    """What a run ends with."""
    if record.status != "completed":
        return INTERRUPTED if record.status == "interrupted" else FAILED
    processed = record.counts.processed
    is_too_many = processed and record.counts.failed / processed > max_failure_ratio
    return TOO_MANY_FAILURES if is_too_many else DONE
