import os

import pytest

from cluster.engines import base


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("100000 100000\n", 1), ("50000 100000\n", 1), ("150000 100000\n", 2), ("max 100000\n", 64), ("", 64), (None, 64)],
)
def test_a_containers_limit_counts(tmp_path, monkeypatch, limit, expected):
    file = tmp_path / "cpu.max"
    if limit is not None:
        file.write_text(limit)
    monkeypatch.setattr(base, "CPU_LIMIT", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert base.usable_cores() == expected


def test_no_more_than_the_process_is_bound_to():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert base.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
