"""Feature extraction, from options to an exit code.

manifest ─► plan ─ lease ─► increment (what earlier runs have not settled) ─► run ─► record, report

The engine starts once there is an increment; labels and splits of settled videos follow the manifest without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cluster.datasets.increment import increment_of
from cluster.engines.base import Engine
from cluster.engines.deferred import DeferredEngine
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.dry_run import estimate
from cluster.extraction.plan import Inputs, Plan, make_plan, read_inputs
from cluster.extraction.run import ExtractionRun
from cluster.reports.extraction_report import render_run_report
from cluster.runs.lifecycle import ExitCode, bad_input, exit_code, terminable
from cluster.runs.logs import shown
from cluster.storage import files
from cluster.storage.lease import Lease
from schemas.errors import InputError
from schemas.runs import RunRecord


def run_extraction(options: ExtractionOptions) -> ExitCode:
    """Extract the features of all videos that earlier runs have not settled."""
    try:
        with terminable(), planned(options, read_inputs(options)) as (plan, engine):
            if options.dry_run:
                increment = increment_of(plan.videos, plan.dataset.settled(), options.failures.retry_failed)
                relabelled = sum(map(len, plan.dataset.outdated(plan.videos).values()))
                print(shown(estimate(plan, increment, relabelled, engine.expected_machine)))
                return ExitCode.DONE
            with plan.dataset.lease() as lease:
                record = extract(plan, engine, lease)
    except (InputError, ImportError) as error:
        return bad_input(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return exit_code(record, options.failures.max_failure_ratio)


@contextmanager
def planned(options: ExtractionOptions, inputs: Inputs) -> Iterator[tuple[Plan, DeferredEngine]]:
    """A run that can start, and its engine. Raises `InputError` or `ImportError` where it cannot start."""
    with closing(DeferredEngine(options.engine, files.join(options.output, "staging"))) as engine:
        yield make_plan(options, inputs, on_gpu=engine.on_gpus), engine


def extract(plan: Plan, engine: Engine, lease: Lease) -> RunRecord:
    """Carry out a plan, with the `lease` of its dataset."""
    dataset = plan.dataset
    dataset.close_records(lease.predecessors, RunRecord, render_run_report)
    settled = dataset.prepare()
    increment = increment_of(plan.videos, settled, plan.options.failures.retry_failed)
    if increment.pending:
        engine = engine.started()
    dataset.withdraw(increment.replaced)
    vocabulary = dataset.name_classes(plan.videos)
    relabelled = dataset.annotate(plan.videos)
    run = ExtractionRun(
        plan, increment, engine, vocabulary=vocabulary, had_failed=settled.failed.keys(), relabelled=relabelled
    )
    return run()
