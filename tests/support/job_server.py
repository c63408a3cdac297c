"""A Ray head with its job server, as a cluster has one, that can be reached with a token."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.clusters import descendants
from tests.support.dataset import job_environment

RAY = str(Path(sys.executable).with_name("ray"))


@contextmanager
def running_job_server(home: Path) -> Iterator[dict[str, str]]:
    """Start one that keeps its token in `home`; gives the environment that reaches it."""
    environment = {
        **job_environment(),
        "RAY_AUTH_MODE": "token",
        "HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    generated = subprocess.run([RAY, "get-auth-token", "--generate"], capture_output=True, text=True, env=environment)
    assert generated.returncode == 0, generated.stderr
    gcs, dashboard, agent = (free_port() for _ in range(3))
    sockets = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # their paths may not be long
    command = [RAY, "start", "--head", "--num-cpus=2", f"--port={gcs}", f"--dashboard-port={dashboard}"]
    command += [f"--dashboard-agent-listen-port={agent}", "--include-dashboard=true", "--disable-usage-stats"]
    command += [f"--temp-dir={sockets}", "--block"]
    head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_until(lambda: is_listening(dashboard) and is_listening(agent))  # the agent starts the jobs
        yield {**environment, "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}
    finally:
        started = descendants(head.pid)  # `ray stop` would end every Ray of this machine
        head.terminate()
        head.wait(timeout=60)
        for process in started:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(sockets, ignore_errors=True)


def wait_until(condition: Callable[[], object], timeout_seconds: float = 120.0) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_listening(port: int) -> bool:
    """Whether a server listens on a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
