"""Commands as Ray jobs, on a real job server: output, exit codes, stopping."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dataset import ROOT, job_environment
from tests.support.job_server import RAY, free_port, running_job_server, wait_until

SUBMIT = [sys.executable, str(ROOT / "jobs" / "submit.py")]
SLEEPER = """
import os, sys, time
path = sys.argv[1]
with open(path + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(path + ".new", path)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running_job_server(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small folder to send."""
    path = tmp_path / "code"
    path.mkdir()
    (path / "greeting.txt").write_text("hello")
    return path


def start(environment: dict[str, str], folder: Path, *command: str) -> subprocess.Popen[str]:
    """Submit a command of Python in `folder`, where Ctrl-C counts, as it does not below a shell's background job."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = [*SUBMIT, "--working-dir", str(folder), "--", "python", "-c", *command]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder.parent
    )


def test_exit_codes_and_output_are_those_of_the_command(environment: dict[str, str], folder: Path) -> None:
    programs = {
        0: "print(open('greeting.txt').read(), 'it is done')",
        2: "raise SystemExit(2)",
        3: "print('too many'); raise SystemExit(3)",
        137: "import os; os.kill(os.getpid(), 9)",
    }
    running = {code: start(environment, folder, program) for code, program in programs.items()}
    outputs = {code: job.communicate(timeout=300) for code, job in running.items()}
    assert {code: job.returncode for code, job in running.items()} == {code: code for code in programs}, outputs
    assert "hello it is done\n" in outputs[0][0]
    assert "too many\n" in outputs[3][0]


@pytest.mark.heavy
def test_the_code_of_our_own_jobs_survives(environment: dict[str, str]) -> None:
    command = [*SUBMIT, "--", "python", "jobs/nightly.py", "--videso", "in"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 2
    assert "error: unknown option --videso; did you mean --videos?" in done.stdout
    assert done.stderr.splitlines() == [done.stderr.strip()]  # which job it is, and nothing else


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_job(environment: dict[str, str], folder: Path, tmp_path: Path, stop: int) -> None:
    marker = tmp_path / "pid"
    job = start(environment, folder, SLEEPER, str(marker))
    wait_until(lambda: marker.exists() or job.poll() is not None)
    job.send_signal(stop)
    _, errors = job.communicate(timeout=120)
    assert job.returncode == 130, errors
    assert not is_running(int(marker.read_text()))


def test_a_job_that_somebody_stops_was_not_done(environment: dict[str, str], folder: Path, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    job = start(environment, folder, SLEEPER, str(marker))
    wait_until(lambda: marker.exists() or job.poll() is not None)
    assert job.stderr is not None
    name = next(line for line in job.stderr if line.startswith("Ray job ")).split()[2].rstrip(":")
    subprocess.run([RAY, "job", "stop", name], check=True, capture_output=True, timeout=120, env=environment)
    _, errors = job.communicate(timeout=120)
    assert job.returncode == 130
    assert "the job was stopped" in errors


def test_without_a_server_there_is_no_job(folder: Path) -> None:
    environment = {**job_environment(), "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{free_port()}"}
    job = start(environment, folder, "print(1)")
    _, errors = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "Failed to connect to Ray at address" in errors


def test_a_command_is_needed() -> None:
    done = subprocess.run(SUBMIT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "no command is given" in done.stderr


def is_running(process: int) -> bool:
    """Whether a process runs, zombies excluded."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
