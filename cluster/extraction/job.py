"""Feature extraction, from options to an exit code.

manifest ─► plan ─ lease ─► backlog (what earlier runs have not settled) ─► run ─► record, report

The engine starts once anything is left, unless it has begun before (`cluster.extraction.early_start`); labels and
splits of settled videos follow the manifest without it. Until an engine has joined its cluster, its networks are taken
to be where those of the features were that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cluster.datasets.manifest_videos import ManifestError
from cluster.engines.base import Engine, EngineError
from cluster.engines.deferred import DeferredEngine
from cluster.extraction.backlog import Backlog
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.dry_run import estimate
from cluster.extraction.plan import Inputs, Plan, make_plan, read_inputs
from cluster.extraction.run import ExtractionRun
from cluster.reports.extraction_report import render_run_report
from cluster.runs.lifecycle import ExitCode, bad_input, code_of, exit_code, failed
from cluster.runs.logs import shown
from cluster.storage.lease import Lease
from schemas.errors import InputError
from schemas.runs import RunRecord


def extract_videos(options: ExtractionOptions, engine: DeferredEngine) -> ExitCode:
    """Extract the features of all videos that earlier runs have not settled.

    What is wrong is told before the engine is closed, which may have to start first.
    """
    try:
        plan = _plan(options, read_inputs(options), engine)
        if options.dry_run:
            increment = plan.increment(plan.dataset.settled())
            relabelled = sum(map(len, plan.dataset.outdated(plan.inputs.stream.everything).values()))
            print(shown(estimate(plan, increment, relabelled, engine.expected_machine)))
            return ExitCode.DONE
        with plan.dataset.lease() as lease:
            record = extract(plan, engine, lease)
    except (InputError, ImportError) as error:
        return bad_input(error)
    except EngineError as error:  # of a dry run
        return code_of(failed(error), is_too_many=False)
    if record.status == "failed" and isinstance(plan.inputs.stream.error, ManifestError):  # found while it was read
        return ExitCode.BAD_INPUT
    return exit_code(record, options.failures.max_failure_ratio, plan.inputs.stream.unread_share)


@contextmanager
def planned(options: ExtractionOptions, inputs: Inputs) -> Iterator[tuple[Plan, DeferredEngine]]:
    """A run that can start, and its engine. Raises `InputError` or `ImportError` where it cannot start."""
    with closing(DeferredEngine(options.engine, options.staging)) as engine:
        yield _plan(options, inputs, engine), engine


def _plan(options: ExtractionOptions, inputs: Inputs, engine: Engine) -> Plan:
    if engine.on_gpus is None:
        plan = _plan_anywhere(options, inputs)
        if not plan.is_new:
            return plan
        engine.started()
    return make_plan(options, inputs, on_gpu=bool(engine.on_gpus))


def _plan_anywhere(options: ExtractionOptions, inputs: Inputs) -> Plan:
    """A plan with the networks on CPUs or on GPUs, whichever make the features that are there."""
    try:
        return make_plan(options, inputs, on_gpu=False)
    except InputError as on_cpus:
        try:
            return make_plan(options, inputs, on_gpu=True)
        except InputError as on_gpus:
            raise min(on_cpus, on_gpus, key=lambda error: len(str(error))) from None


def start(plan: Plan, engine: Engine) -> Engine:
    """The engine, started. Raises `InputError` where its networks make other features than those of the plan."""
    started = engine.started()
    if engine.on_gpus != plan.on_gpu:
        make_plan(plan.options, plan.inputs, on_gpu=not plan.on_gpu)  # which checks that
    return started


def extract(plan: Plan, engine: Engine, lease: Lease) -> RunRecord:
    """Carry out a plan, with the `lease` of its dataset."""
    dataset, stream = plan.dataset, plan.inputs.stream
    with closing(stream), closing(Backlog(stream, dataset, plan.options)) as backlog:
        dataset.close_records(lease.predecessors, render_run_report)  # before the videos, which may be wrong further on
        backlog.begin()
        if not backlog.is_empty:
            engine = start(plan, engine)
        backlog.withdraw()
        return ExtractionRun(plan, backlog, engine, relabelled=backlog.annotate())()
