from __future__ import annotations

from cluster.runs.open_failures import OpenFailures


def test_nothing_failed() -> None:
    failures = OpenFailures({})
    assert (failures.among(3), list(failures.lines())) == ("3 settled before", [])


def test_earlier_failures_are_told_with_those_of_the_run() -> None:
    failures = OpenFailures({"a": "missing", "b": "not_media"})
    assert failures.among(9) == "9 settled before, of them 2 failed (--retry-failed)"
    failures.add("c", "missing")
    assert failures.earlier == 2
    assert list(failures.lines()) == [
        "  2 × missing: 'a', 'c' (once they are there: --retry-failed missing)",
        "  1 × not_media: 'b' (replace them, and the next run takes them up)",
    ]


def test_a_retry_is_offered_only_where_it_can_help() -> None:
    assert OpenFailures({"b": "encrypted"}).among(9) == "9 settled before, of them 1 failed"
    assert OpenFailures({"b": "of another release"}).among(9) == "9 settled before, of them 1 failed"


def test_the_first_ids_stand_for_many() -> None:
    failures = OpenFailures({f"v{number}": "storage" for number in range(1000)})
    (line,) = failures.lines()
    assert line == ("  1000 × storage: 'v0', 'v1', 'v2', 'v3', 'v4', … (once storage responds: --retry-failed storage)")
