"""What each fence does to a writer that was overtaken; `tests/faults/test_takeovers.py` tries all moments."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from cluster.storage import fence as fences
from cluster.storage import files
from cluster.storage.conditions import ChangedError
from cluster.storage.fence import CheckFence, ConditionFence, Fence, LockFence, fence_of
from cluster.storage.files import UnsupportedError
from schemas.errors import InputError
from tests.support.servers import gs_bucket, s3_bucket


class LostError(InputError):
    """What `lost` raises."""


def held() -> None:
    """The lease is held."""


def lost() -> None:
    """The lease is another's."""
    raise LostError("lost")


@pytest.fixture(params=["disk", "gs", "s3", "checks"])
def fence(request, tmp_path, monkeypatch) -> Iterator[Fence]:
    """A fence of each kind."""
    monkeypatch.setattr(fences, "SETTLE_SECONDS", 0.01)
    buckets = {"gs": gs_bucket(), "s3": s3_bucket()}
    with buckets.get(request.param, nullcontext(str(tmp_path))) as root:
        uri = f"{root}/{secrets.token_hex(4)}/lease.json"
        yield CheckFence(uri) if request.param == "checks" else fence_of(uri)


def beside(fence: Fence, name: str) -> str:
    """A file that the lease protects."""
    return fence.uri.replace("lease.json", name)


def test_the_kind_of_a_fence_follows_from_the_place():
    assert isinstance(fence_of("/data/lease.json"), LockFence)
    assert isinstance(fence_of("gs://bucket/lease.json"), ConditionFence)
    assert [kind.announces for kind in (LockFence, ConditionFence, CheckFence)] == [False, True, False]


def test_a_lease_is_swapped_only_as_it_was_left(fence):
    assert fence.read_lease() == (b"", "")
    first = fence.take("", b"1")
    assert fence.read_lease() == (b"1", first)
    with pytest.raises(ChangedError):
        fence.take("", b"2")
    second = fence.swap(first, b"2")
    with pytest.raises(ChangedError):
        fence.swap(first, b"3")
    with pytest.raises(ChangedError):
        fence.give_up(first, b"released")
    fence.give_up(second, b"released")
    assert fence.read_lease()[0] in (b"", b"released")


def test_files_are_written_while_the_lease_is_held(fence):
    fence.take("", b"1")
    uri = beside(fence, "a")
    fence.put(uri, b"1", held)
    fence.put(uri, b"2", held)  # again, with more in it
    content, version = fence.read(uri)
    assert content == b"2"
    version = fence.replace(uri, b"3", version, held)
    version = fence.replace(uri, b"4", version, held)
    assert fence.read(uri)[0] == b"4"
    fence.remove(uri, version, b"", held)
    assert not files.exists(uri)


def test_a_writer_that_was_overtaken_changes_nothing(fence):
    fence.take("", b"1")
    taken, changed = beside(fence, "taken"), beside(fence, "changed")
    for uri in (taken, changed):
        files.write_bytes(uri, b"of before")
    _, version = fence.read(changed)
    for uri in (taken, changed):  # as whoever takes over does in buckets
        files.write_bytes(uri, b"of the next run")
    attempts: list[Callable[[], object]] = [
        lambda: fence.put(taken, b"late", lost),
        lambda: fence.replace(changed, b"late", version, lost),
        lambda: fence.remove(changed, version, b"late", lost),
    ]
    for attempt in attempts:
        with pytest.raises(LostError):
            attempt()
    assert [files.read_bytes(uri) for uri in (taken, changed)] == [b"of the next run"] * 2


def test_a_file_that_another_program_changes_is_not_overwritten_in_a_bucket():
    with gs_bucket() as bucket:
        fence = fence_of(f"{bucket}/lease.json")
        fence.put(f"{bucket}/a", b"1", held)
        _, version = fence.read(f"{bucket}/a")
        files.write_bytes(f"{bucket}/a", b"2")
        for attempt in (fence.replace, fence.remove):
            with pytest.raises(ChangedError, match="was changed meanwhile by another program"):
                attempt(f"{bucket}/a", *((b"3", version) if attempt == fence.replace else (version, b"")), held)


def test_what_was_written_too_late_is_taken_back_where_only_checks_help(tmp_path):
    fence = CheckFence(f"{tmp_path}/lease.json")
    looks = iter([held, lost])  # overtaken between the look and the write
    with pytest.raises(LostError):
        fence.put(f"{tmp_path}/a", b"late", lambda: next(looks)())
    assert not list(tmp_path.iterdir())


def test_a_store_without_conditions_is_refused():
    with gs_bucket(keeps_conditions=False) as bucket, pytest.raises(UnsupportedError, match="ignores the conditions"):
        fence_of(f"{bucket}/lease.json").take("", b"1")


def test_no_lock_is_left_behind(tmp_path):
    fence = LockFence(f"{tmp_path}/out/lease.json")
    version = fence.take("", b"1")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["lease.json", "lease.lock"]
    fence.give_up(version, b"")
    with pytest.raises(LostError):
        fence.put(f"{tmp_path}/out/a", b"late", lost)
    assert not list((tmp_path / "out").iterdir())
