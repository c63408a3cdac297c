from __future__ import annotations

import re
import signal
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.runs.lifecycle import (
    ExitCode,
    bad_input,
    exit_code,
    guarded,
    internal_error,
    keeping_sigterm,
    new_run_id,
    recorded,
    terminable,
)
from schemas.errors import InputError
from schemas.runs import RunRecord

RECORD = RunRecord.from_json((Path(__file__).resolve().parents[2] / "fixtures" / "records" / "run.json").read_text())


def test_sigterm_is_as_an_interrupt():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_handler_of_another_is_undone_where_a_run_has_its_own():
    before = signal.getsignal(signal.SIGTERM)
    with terminable():
        with keeping_sigterm():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with keeping_sigterm():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN, "there was none to keep"
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_thread_may_ask_for_it():
    seen = []

    def work():
        with terminable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError(), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_an_error_that_nobody_expected_is_recorded_and_goes_on(error, status):
    statuses = []

    def end(status: str) -> None:
        statuses.append(status)
        raise OSError("the record cannot be written")

    with pytest.raises(type(error)), recorded(end):
        raise error
    with recorded(end):
        pass
    assert statuses == [status]


def test_the_report_of_an_error_keeps_no_secret():
    try:
        raise ValueError("https://host/a.mp4?signature=SECRET" + "x" * 5_000)
    except ValueError:
        message = internal_error()
    assert message.startswith("an error in this program: ")
    assert "SECRET" not in message
    assert len(message) < 2_100


def test_run_ids_differ_and_sort_by_time():
    first, second = (new_run_id(datetime(2026, 3, 1, 2, 0, second, tzinfo=UTC)) for second in (9, 10))
    assert re.fullmatch(r"20260301T020009-[0-9a-f]{6}", first)
    assert first < second
    assert new_run_id(datetime(2026, 3, 1, tzinfo=UTC)) != new_run_id(datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("failed", "status", "code"),
    [
        (0, "completed", ExitCode.DONE),
        (1, "completed", ExitCode.DONE),
        (2, "completed", ExitCode.TOO_MANY_FAILURES),
        (10, "failed", ExitCode.FAILED),
        (10, "interrupted", ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_of_a_run(failed, status, code):
    counts = replace(RECORD.counts, extracted=10 - failed, failed=failed)
    assert exit_code(replace(RECORD, status=status, counts=counts), 0.1) == code


def test_a_run_that_had_nothing_to_do_has_not_failed():
    counts = replace(RECORD.counts, extracted=0, failed=0)
    assert exit_code(replace(RECORD, counts=counts), 0.0) == ExitCode.DONE


def test_videos_that_nobody_can_count_are_failures():
    shares = [(0.1, ExitCode.DONE), (0.2, ExitCode.TOO_MANY_FAILURES)]
    for share, code in shares:
        assert exit_code(replace(RECORD, counts=replace(RECORD.counts, extracted=1, failed=0)), 0.1, share) == code


def test_every_problem_is_logged(caplog):
    assert bad_input(InputError("one", "two")) == 2
    assert bad_input(ImportError("three")) == 2
    assert [record.getMessage() for record in caplog.records] == ["one", "two", "three"]


@dataclass
class Part:
    error: BaseException

    def __call__(self):
        raise self.error


def test_how_a_part_of_a_run_ends(caplog):
    assert guarded(lambda: None) == "completed"
    assert guarded(Part(KeyboardInterrupt())) == "interrupted"
    assert guarded(lambda: signal.raise_signal(signal.SIGTERM)) == "interrupted"
    assert guarded(Part(InputError("full"))) == guarded(Part(OSError("disk")), OSError) == "failed"
    assert [record.getMessage() for record in caplog.records] == ["full", "disk"]
    with pytest.raises(ValueError, match="ours"):
        guarded(Part(ValueError("ours")), OSError)
