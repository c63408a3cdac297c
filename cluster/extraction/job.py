"""Feature extraction, from options to an exit code.

manifest ─► plan ─ lease ─► increment (what earlier runs have not settled) ─► run ─► record, report
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cluster.datasets.increment import increment_of
from cluster.engines.base import Engine
from cluster.engines.registry import make_engine
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.dry_run import estimate
from cluster.extraction.plan import Inputs, Plan, make_plan, read_inputs, save_vocabulary
from cluster.extraction.run import ExtractionRun
from cluster.reports.extraction_report import render_run_report
from cluster.runs.lifecycle import ExitCode, bad_input, exit_code
from cluster.storage import files
from cluster.storage.lease import Lease
from schemas.errors import InputError
from schemas.runs import RunRecord


def run_extraction(options: ExtractionOptions) -> ExitCode:
    """Extract the features of all videos that earlier runs have not settled."""
    try:
        with planned(options, read_inputs(options)) as (plan, engine):
            if options.dry_run:
                increment = increment_of(plan.videos, plan.dataset.settled(), options.failures.retry_failed)
                print(estimate(plan, increment.pending, engine.machine()))
                return ExitCode.DONE
            with plan.dataset.lease() as lease:
                record = extract(plan, engine, lease)
    except (InputError, ImportError) as error:
        return bad_input(error)
    return exit_code(record, options.failures.max_failure_ratio)


@contextmanager
def planned(options: ExtractionOptions, inputs: Inputs) -> Iterator[tuple[Plan, Engine]]:
    """A run that can start, and its engine. Raises `InputError` or `ImportError` where it cannot start."""
    with closing(make_engine(options.engine, files.join(options.output, "staging"))) as engine:
        yield make_plan(options, inputs, on_gpu=engine.machine().gpus > 0), engine


def extract(plan: Plan, engine: Engine, lease: Lease) -> RunRecord:
    """Carry out a plan, with the `lease` of its dataset."""
    plan.dataset.close_records(lease.predecessors, RunRecord, render_run_report)
    settled = plan.dataset.prepare()
    increment = increment_of(plan.videos, settled, plan.options.failures.retry_failed)
    plan.dataset.withdraw(increment.replaced)
    save_vocabulary(plan)
    return ExtractionRun(plan, increment, engine, had_failed=settled.failed.keys())()
