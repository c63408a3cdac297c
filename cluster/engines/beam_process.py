"""The process of a Beam pipeline (`cluster.engines.beam_pipeline`), as the driver sees it.

Runners cannot be trusted to give up: in a process of its own, a pipeline can be ended whatever it waits for.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Pipe

from cluster.engines.beam_config import REFUSED, PipelineConfig

PROGRAM = """
import sys
from cluster.engines.beam_notices import leave_out_notices
leave_out_notices()
from cluster.engines.beam_pipeline import main
main(int(sys.argv[1]))
"""
STOP_SECONDS = 60.0  # for a remote runner to cancel its job


class PipelineProcess:
    """A pipeline that has been started. It ends with this process at the latest."""

    def __init__(self, config: PipelineConfig) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this program's own module
                [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is for the driver to handle
            )
        with suppress(OSError):  # it has died, which its exit code will tell
            self._connection.send_bytes(pickle.dumps(config))

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        """Wait for its end, but no longer than that."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def error(self) -> str:
        """What it has ended with; empty if it has done everything."""
        try:
            return self._connection.recv_bytes().decode()
        except (EOFError, OSError):
            return f"its process has ended with exit code {self._process.wait()}"

    @property
    def is_refused(self) -> bool:
        """Whether Beam takes its options."""
        return self._process.poll() == REFUSED

    def close(self) -> None:
        """Cancel it if it is running."""
        self._connection.close()
        self.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()
