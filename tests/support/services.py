"""`jobs/serve.py` as a user runs it: in a process of its own, with the smallest classifiers that do the work."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.dataset import ROOT, job_environment

TOKEN = "a-token-of-these-tests"
START_SECONDS = 300.0  # on a machine that does much else
STOP_SECONDS = 60.0
ADDRESS = re.compile(r"serving at (http://[\w.:]+)/")


@dataclass(frozen=True)
class RunningService:
    """A service that takes `TOKEN`; `folder` has its log."""

    url: str
    folder: Path

    @property
    def headers(self) -> dict[str, str]:
        """What a client of the API sends."""
        return {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def running_service(folder: Path, checkpoints: list[str], *options: str) -> Iterator[RunningService]:
    """Start a service with these checkpoints, wait until it answers, and end it."""
    token, log = folder / "token", folder / "log"
    token.write_text(TOKEN)
    command = [sys.executable, str(ROOT / "jobs" / "serve.py"), "--port", "0", "--token-file", str(token)]
    environment = {**job_environment(), "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--checkpoint", *checkpoints, *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (found := ADDRESS.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield RunningService(found[1], folder)
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)
