"""The cutting job, from options to an exit code.

annotations, videos (or records) ─► plan ─ lease ─► run (what is not cut yet) ─► manifest, files, records, page
"""

from __future__ import annotations

from contextlib import closing

from cluster.annotations.base import ReadOptions
from cluster.annotations.read import read_annotations
from cluster.cutting.config import CuttingOptions
from cluster.cutting.plan import CuttingPlan, make_plan
from cluster.cutting.record_stage import make_records_plan
from cluster.cutting.run import CuttingRun
from cluster.engines.deferred import DeferredEngine
from cluster.runs.lifecycle import ExitCode, bad_input, exit_code
from schemas.cuttings import CuttingRecord
from schemas.errors import InputError


def run_cutting(options: CuttingOptions) -> ExitCode:
    """Cut clips as the options say."""
    try:
        record = cut_clips(options)
    except (InputError, ImportError) as error:
        return bad_input(error)
    return exit_code(record, options.failures.max_failure_ratio)


def cut_clips(options: CuttingOptions) -> CuttingRecord:
    """Carry out a run.

    Raises `InputError` for bad input, before anything is touched; and where another run is writing, or nothing can be
    written.
    """
    plan = _plan(options)
    with closing(DeferredEngine(options.engine)) as engine, plan.folder.lease() as lease:
        plan.folder.close_records(lease.predecessors)
        return CuttingRun(plan, engine)()


def _plan(options: CuttingOptions) -> CuttingPlan:
    if options.from_tfrecords is not None:
        return make_records_plan(options)
    reading = options.reading
    asked = ReadOptions(reading.rate, reading.label_from or "", reading.group_from or "")
    exported = read_annotations(options.annotations or "", reading.format, asked, options.policy)
    return make_plan(options, exported)
