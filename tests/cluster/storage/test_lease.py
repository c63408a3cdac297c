import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cluster.storage import files
from cluster.storage.lease import Lease, LeaseError
from tests.support.servers import gs_bucket

SHORT = {"renew_seconds": 0.1, "expiry_seconds": 0.6}
HOLD = """
import sys, time
from cluster.storage.lease import Lease
Lease(sys.argv[1], "other", renew_seconds=0.1, expiry_seconds=0.6).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def uri(tmp_path):
    return f"{tmp_path}/lease.json"


def holder(uri: str) -> dict:
    return json.loads(Path(uri).read_text())


def as_of_another_machine(uri: str) -> None:
    Path(uri).write_text(json.dumps({**holder(uri), "machine": "elsewhere", "host": "node-7"}))


@pytest.fixture
def other_process(uri):
    """A process that holds the lease."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, uri], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_lease_file_exists_while_it_is_held(uri):
    lease = Lease(uri, "r1", **SHORT)
    lease.acquire()
    assert holder(uri)["run_id"] == "r1"
    lease.check()
    lease.release()
    assert not Path(uri).exists()
    again = Lease(uri, "r2", **SHORT)
    again.acquire()
    assert again.predecessors == ()
    again.release()


def test_the_lease_of_a_living_process_is_refused_at_once(uri, other_process):
    with pytest.raises(LeaseError, match=rf"run other \(process {other_process.pid} on "):
        Lease(uri, "r1", expiry_seconds=1000).acquire()


def test_the_refusal_names_no_option_since_each_job_has_its_own(uri, other_process):
    with pytest.raises(LeaseError, match="Wait until it ends, or write to another place") as caught:
        Lease(uri, "r1").acquire()
    assert "--" not in str(caught.value)


def test_the_lease_of_a_killed_process_is_taken_over_at_once(uri, other_process):
    other_process.kill()
    other_process.wait()
    lease = Lease(uri, "r1", expiry_seconds=1000)
    lease.acquire()
    assert (lease.predecessors, holder(uri)["run_id"]) == (("other",), "r1")
    lease.release()


def test_predecessors_are_all_runs_that_died_in_order(uri):
    Lease(uri, "r0", renew_seconds=1000).acquire()
    for run in ("r1", "r2"):
        as_of_another_machine(uri)
        lease = Lease(uri, run, **SHORT)
        lease.acquire()
        lease._released.set()  # no more renewals, as after SIGKILL
    assert lease.predecessors == ("r0", "r1")


def test_a_lease_from_elsewhere_that_is_renewed_is_refused(uri):
    Lease(uri, "r0", renew_seconds=1000).acquire()
    as_of_another_machine(uri)
    is_over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(uri, is_over))
    renewing.start()
    with pytest.raises(LeaseError, match=r"run r0 .* on node-7"):
        Lease(uri, "r1", renew_seconds=0.1, expiry_seconds=30).acquire()
    is_over.set()
    renewing.join()


def _renew(uri: str, is_over: threading.Event) -> None:
    renewals = 0
    while not is_over.wait(0.05):
        renewals += 1
        files.write_bytes(uri, json.dumps({**holder(uri), "renewals": renewals}).encode())  # at once, as leases are


def test_a_lease_from_elsewhere_that_is_not_renewed_is_taken_over(uri):
    dead = Lease(uri, "r0", renew_seconds=1000)
    dead.acquire()
    as_of_another_machine(uri)
    lease = Lease(uri, "r1", **SHORT)
    lease.acquire()
    assert lease.predecessors == ("r0",)
    with pytest.raises(LeaseError, match="another run has taken"):
        dead._renew()
    with pytest.raises(LeaseError, match="another run has taken"):
        dead.check()
    dead.release()
    assert holder(uri)["run_id"] == "r1", "a lease that was lost is not removed"
    lease.release()


def test_a_lease_that_is_released_meanwhile_is_free(uri):
    first = Lease(uri, "r0", renew_seconds=1000)
    first.acquire()
    as_of_another_machine(uri)
    threading.Timer(0.3, first.release).start()
    lease = Lease(uri, "r1", renew_seconds=0.1, expiry_seconds=30)
    lease.acquire()
    assert lease.predecessors == ()
    lease.release()


def test_the_holder_renews_its_lease(uri):
    lease = Lease(uri, "r1", **SHORT)
    lease.acquire()
    deadline = time.monotonic() + 120
    while holder(uri)["renewals"] < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lease.release()


def test_one_of_many_that_start_together_gets_the_lease(uri):
    leases = [Lease(uri, f"r{number}", **SHORT) for number in range(8)]
    refused: list[Lease] = []

    def acquire(lease: Lease) -> None:
        try:
            lease.acquire()
        except LeaseError:
            refused.append(lease)

    threads = [threading.Thread(target=acquire, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(leases) - set(refused)
    winner.check()
    winner.release()
    assert not Path(uri).exists()


def test_a_file_that_is_not_a_lease_is_refused(uri):
    Path(uri).write_text("{}")
    with pytest.raises(LeaseError, match="Remove it if no run is writing here"):
        Lease(uri, "r1").acquire()


def test_a_bucket_keeps_leases_too():
    with gs_bucket() as bucket:
        first, second = (Lease(f"{bucket}/out/lease.json", run, **SHORT) for run in ("r1", "r2"))
        first.acquire()
        with pytest.raises(LeaseError, match="run r1"):
            second.acquire()
        first.release()
        second.acquire()
        second.release()
