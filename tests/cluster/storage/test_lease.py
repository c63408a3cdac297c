import errno
import json
import secrets
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.storage import fence, file_lock, files
from cluster.storage.holder import Holder
from cluster.storage.lease import Lease, LeaseError, is_open
from tests.support.servers import gs_bucket, s3_bucket

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
    lease.confirm()
    lease.release()
    assert not list(Path(uri).parent.iterdir()), "neither the lease nor its lock"
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
    leave(uri)
    for run in ("r1", "r2"):
        as_of_another_machine(uri)
        lease = Lease(uri, run, **SHORT)
        lease.acquire()
        lease._released.set()  # no more renewals, as after SIGKILL
    assert lease.predecessors == ("r0", "r1")


def test_a_lease_from_elsewhere_that_is_renewed_is_refused(uri):
    leave(uri)
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
    for late in (dead._renew, dead.confirm):
        with pytest.raises(LeaseError, match="another run has taken"):
            late()
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


def acquired(leases: list[Lease]) -> list[Lease]:
    """Those of the leases that can be acquired, by as many threads at the same time."""
    winners: list[Lease] = []

    def acquire(lease: Lease) -> None:
        try:
            lease.acquire()
        except LeaseError:
            return
        winners.append(lease)

    threads = [threading.Thread(target=acquire, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return winners


@pytest.mark.parametrize("place", ["disk", "gs", "s3"], indirect=True)
@pytest.mark.parametrize("is_abandoned", [False, True])
def test_one_of_many_that_start_together_gets_the_lease(place, is_abandoned):
    uri = f"{place}/many/lease.json"
    if is_abandoned:
        leave(uri)
    (winner,) = acquired([Lease(uri, f"r{number}", **SHORT) for number in range(8)])
    winner.confirm()
    assert winner.predecessors == (("r0",) if is_abandoned else ())
    winner.release()
    assert not is_open(uri)


def test_a_file_that_is_not_a_lease_is_refused(uri):
    Path(uri).write_text("{}")
    with pytest.raises(LeaseError, match="Remove it if no run is writing here"):
        Lease(uri, "r1").acquire()


def leave(uri: str, **changes: object) -> Holder:
    """The lease of run `r0`, which has died on another machine."""
    left = replace(Holder.of_this_process("r0"), machine="elsewhere", host="node-7", **changes)
    files.write_bytes(uri, left.to_bytes())
    return left


def test_a_lease_of_the_first_format_is_understood(uri):
    left = json.loads(leave(uri).to_bytes())
    before = {key: value for key, value in left.items() if key not in ("changing", "is_released")}
    Path(uri).write_text(json.dumps({**before, "schema_version": 1, "predecessors": ["r"]}))
    lease = Lease(uri, "r1", **SHORT)
    lease.acquire()
    assert lease.predecessors == ("r", "r0")
    lease.release()


@pytest.fixture(params=["disk", "gs", "s3", "gs without conditions"])
def place(request, tmp_path, monkeypatch):
    """A folder on each kind of store."""
    monkeypatch.setattr(fence, "SETTLE_SECONDS", 0.2)
    name = secrets.token_hex(4)  # one S3 serves all tests
    buckets = {"gs": gs_bucket(), "s3": s3_bucket(), "gs without conditions": gs_bucket(keeps_conditions=False)}
    with buckets.get(request.param, nullcontext(str(tmp_path))) as root:
        yield f"{root}/{name}"


def test_all_kinds_of_stores_keep_leases(place):
    uri = f"{place}/lease.json"
    assert not is_open(uri)
    first, second = (Lease(uri, run, **SHORT) for run in ("r1", "r2"))
    first.acquire()
    assert is_open(uri)
    with pytest.raises(LeaseError, match="run r1"):
        second.acquire()
    first._renew()
    first.release()
    assert not is_open(uri)
    second.acquire()
    assert second.predecessors == ()
    with pytest.raises(LeaseError, match="another run has taken"):
        first.confirm()
    second.release()


@pytest.mark.parametrize("place", ["disk", "gs", "s3"], indirect=True)
def test_a_takeover_that_stalls_is_one_step_for_others(place, monkeypatch):
    """Neither of two runs holds the lease while the other one believes to."""
    uri = f"{place}/lease.json"
    leave(uri)
    slow, quick = (Lease(uri, run, **SHORT) for run in ("r1", "r2"))
    take = slow._fence.take

    def take_later(version: str, data: bytes) -> str:
        monkeypatch.setattr(slow._fence, "take", take)
        quick.acquire()  # in between
        return take(version, data)

    monkeypatch.setattr(slow._fence, "take", take_later)
    with pytest.raises(LeaseError, match="run r2"):
        slow.acquire()
    quick.confirm()
    quick.release()


def test_what_a_dead_run_was_changing_is_known_until_it_is_fenced():
    with gs_bucket() as bucket:
        uri = f"{bucket}/out/lease.json"
        leave(uri, changing=("features/a", "ledger/a"))
        names = (f"{bucket}/out/features/a", f"{bucket}/out/ledger/a")
        first = Lease(uri, "r1", **SHORT)
        first.acquire()
        assert first.unfenced == names
        first.release()  # it has not come to it
        assert is_open(uri)
        second = Lease(uri, "r2", **SHORT)
        second.acquire()
        assert (second.unfenced, second.predecessors) == (names, ())
        with second.changing([f"{bucket}/out/b"]):
            assert held(uri).changing == ("features/a", "ledger/a", "b")
        second.fenced()
        with pytest.raises(KeyError), second.changing([f"{bucket}/out/c"]):
            raise KeyError  # as when it is interrupted
        second.release()
        assert held(uri).changing == ("c",)
        assert is_open(uri)


def held(uri: str) -> Holder:
    return Holder.from_bytes(files.read_bytes(uri))


def test_a_renewal_that_was_interrupted_is_made_up_for(place):
    lease = Lease(f"{place}/lease.json", "r1")
    lease.acquire()
    before = lease._version
    lease._renew()
    lease._version = before  # as if a signal had come after the store's answer
    lease._renew()
    lease._version = before
    lease.release()
    assert not is_open(f"{place}/lease.json")


def test_a_process_that_stops_inside_the_lock_makes_others_give_up(uri, monkeypatch):
    monkeypatch.setattr(file_lock, "WAIT_SECONDS", 0.1)
    leave(uri)
    message = r"a process has stopped in the middle of a write, and holds .*lease\.lock\nLet it go on, or end it"
    with file_lock.locked(str(Path(uri).with_suffix(".lock"))), pytest.raises(LeaseError, match=message):
        Lease(uri, "r1", **SHORT).acquire()
    assert held(uri).run_id == "r0"


def test_a_disk_without_locks_keeps_leases_less_strictly(uri, monkeypatch, caplog):
    monkeypatch.setattr(fence, "SETTLE_SECONDS", 0.1)

    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_lock.fcntl, "flock", flock)
    lease = Lease(uri, "r1", **SHORT)
    lease.acquire()
    assert "this file system has no locks: two runs are kept apart less strictly there" in caplog.text
    with pytest.raises(LeaseError, match="run r1"):
        Lease(uri, "r2", **SHORT).acquire()
    lease.put(f"{Path(uri).parent}/a", b"1")
    Path(uri).write_bytes(Holder.of_this_process("r2").to_bytes())
    with pytest.raises(LeaseError, match="another run has taken"):
        lease.put(f"{Path(uri).parent}/b", b"1")
    assert sorted(path.name for path in Path(uri).parent.iterdir()) == ["a", "lease.json", "lease.lock"]
