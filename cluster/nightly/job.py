"""The nightly run, from options to an exit code.

checkpoints, videos ─► plan: extraction, labels ─► lease ─► `Night` (what is left of each, statistics, page)

Each part determines by itself what is left to do, so that the next night makes up for one that failed or was killed.
Where nothing is left and the day has its record, no file is touched. Further runs on a day are added to its record.
All parts run on one engine.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cluster.nightly.config import NightlyOptions
from cluster.nightly.night import BROKEN, Night
from cluster.nightly.plan import planned_night, read_night
from cluster.nightly.records import NightRecords
from cluster.runs.lifecycle import ExitCode, bad_input, new_run_id, terminable


def run_nightly(options: NightlyOptions) -> ExitCode:
    """Extract and label new and changed videos, and write the record and page of the day."""
    try:
        inputs = read_night(options)
        with planned_night(inputs) as (plan, engine), terminable():
            records = NightRecords(options.labels)
            run_id = new_run_id(datetime.now(UTC))
            with records.lease(run_id) as lease:
                return Night(inputs.settings, run_id, plan, engine, records, lease)()
    except (*BROKEN, ImportError) as error:
        return bad_input(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
