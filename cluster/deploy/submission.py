"""A command as a Ray job: submitted, followed to its end, and ended with the exit code of the command itself.

In: a command, which runs on the cluster's head, and the folder that is sent there. Out: the command's output on stdout,
and an exit code.

`ray job submit` ends with 1 whatever the command ended with, and with 0 for a job that was stopped. Here the exit code
is the one that the job server has recorded; a stopped job gives 130, and one that could not be started 1.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ray.exceptions import RayError
from ray.job_submission import JobStatus, JobSubmissionClient

from cluster.runs.lifecycle import ExitCode, bad_input, failed, new_run_id, terminable
from cluster.runs.option import option
from cluster.runs.options import Options
from schemas.errors import InputError

CODE = Path(__file__).resolve().parents[2]
POLL_SECONDS = 1.0
LOST_AFTER_SECONDS = 60.0  # without an answer from the job server
SIGNALLED = 128  # the exit code of a process that a signal has ended, less the signal's number
# Ray's own defaults, about each of which it would warn.
EXCLUDED = [".git", ".venv", "venv", "__pycache__"]
NO_DEFAULT_EXCLUDES = {"RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES": ""}
TALKATIVE = ("ray", "ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk")
UNREACHABLE = (OSError, RuntimeError, RayError)

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class SubmissionOptions(Options):
    """One Ray job; its command follows the options, after `--`."""

    working_dir: str | None = option(
        None, help="folder that is sent to the cluster, where the command runs; by default the checkout that this is of"
    )


def run_submission(options: SubmissionOptions, command: Sequence[str]) -> int:
    """Run `command` on the cluster of `RAY_API_SERVER_ADDRESS`; returns its exit code. SIGTERM and Ctrl-C stop it."""
    if not command:
        return bad_input(InputError("no command is given: write it after --, as in -- python jobs/nightly.py …"))
    if options.working_dir is None and not (CODE / "pyproject.toml").is_file():
        return bad_input(
            InputError(
                "--working-dir is required where Framemill is installed as a package: give a checkout of it, or, where "
                "the image of the cluster has it, a folder with what else the command needs"
            )
        )
    os.environ.update(NO_DEFAULT_EXCLUDES)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    job = f"framemill-{new_run_id(datetime.now(UTC))}"
    client: Any = None
    try:
        with terminable():
            client = JobSubmissionClient()
            folder = str(Path(options.working_dir or CODE).resolve())
            logger.info(f"Ray job {job}: {shlex.join(command)}, in {folder}")
            client.submit_job(
                entrypoint=shlex.join(command),
                submission_id=job,
                runtime_env={"working_dir": folder, "excludes": EXCLUDED},
            )
            _follow(client, job)
            return _exit_code(_ended(client, job))
    except KeyboardInterrupt:
        return _stop(client, job)
    except UNREACHABLE as error:
        failed(error)
        return ExitCode.FAILED


def _follow(client: Any, job: str) -> None:
    """Print the job's output until it ends."""

    async def print_output() -> None:
        async for lines in client.tail_job_logs(job):
            print(lines, end="", flush=True)

    try:
        asyncio.run(print_output())
    except Exception as error:  # the output may be lost, the job goes on
        logger.warning(f"the output of the job is lost from here on ({error}): ray job logs {job}")


def _ended(client: Any, job: str) -> Any:
    """The job's details once it has ended. Raises one of `UNREACHABLE` where the job server does not answer."""
    answered = time.monotonic()
    while True:
        try:
            details = client.get_job_info(job)
        except UNREACHABLE:
            if time.monotonic() - answered > LOST_AFTER_SECONDS:
                raise
        else:
            answered = time.monotonic()
            if details.status.is_terminal():
                return details
        time.sleep(POLL_SECONDS)


def _exit_code(details: Any) -> int:
    """The exit code that a job's details stand for."""
    if details.status == JobStatus.SUCCEEDED:
        return ExitCode.DONE
    if details.status == JobStatus.STOPPED:
        logger.warning("the job was stopped")
        return ExitCode.INTERRUPTED
    if details.driver_exit_code is None:
        logger.error(f"the command could not run: {details.message}")
        return ExitCode.FAILED
    code: int = details.driver_exit_code
    return SIGNALLED - code if code < 0 else code


def _stop(client: Any, job: str) -> ExitCode:
    """Stop the job, if it was submitted, and wait until it has ended."""
    try:
        if client is not None and client.stop_job(job):
            logger.warning("interrupted: stopping the job")
            _ended(client, job)
    except UNREACHABLE as error:
        logger.warning(f"interrupted; the job may still run: ray job stop {job} ({error})")
    return ExitCode.INTERRUPTED
