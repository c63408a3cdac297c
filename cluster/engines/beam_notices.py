"""Notices of Beam that nobody need act on, and that none of its settings turns off."""

from __future__ import annotations

import logging

from cluster.runs.logs import leaving_out

# The beginnings of messages, by the loggers that they come from.
NOTICES = {
    "root": "apitools not found",  # when Beam is imported without its extra for Google Cloud
    "apache_beam.runners.worker.sdk_worker_main": "No semi_persistent_directory found",
    "apache_beam.runners.portability.fn_api_runner.fn_runner": "If direct_num_workers is not equal to 1",
}


def leave_out_notices() -> None:
    """Keep them out of this process's log from now on; to be called before Beam is imported."""
    for logger, beginning in NOTICES.items():
        logging.getLogger(logger).addFilter(leaving_out(beginning))
