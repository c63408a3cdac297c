"""A run leaves its record, whatever ends it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typing_extensions import override

from cluster.datasets.folder import DatasetError, DatasetFolder
from cluster.runs.common_options import ReportingOptions
from cluster.runs.lifecycle import guarded
from cluster.runs.open_failures import OpenFailures
from cluster.runs.recorded_run import RecordedRun
from schemas.transcriptions import TranscriptionRecord
from tests.support.transcription_records import RECORD


class Run(RecordedRun[TranscriptionRecord]):
    """Ends as its `error` has it."""

    def __init__(self, folder: Path, error: BaseException | None = None) -> None:
        root = DatasetFolder(str(folder), run_id="r1")
        super().__init__(root, ReportingOptions(quiet=True), datetime.now(UTC), OpenFailures({"x": "no_face"}))
        self.root, self.error, self.seen = root, error, ""
        self.page_error: Exception | None = None
        self.kept, self.page = False, ""

    @override
    def _opening(self) -> str:
        return "1 video to do"

    @override
    def _work(self) -> str:
        self.seen = self.stored().status
        if isinstance(self.error, RuntimeError):
            raise self.error
        return guarded(self._part)

    def _part(self) -> None:
        if self.error is not None:
            raise self.error

    @override
    def _record(self, status: str) -> TranscriptionRecord:
        names = ("checkpoint", "model", "fingerprint", "counts", "failures", "machine", "job")
        return TranscriptionRecord(**self._header(status), **{name: getattr(RECORD, name) for name in names})

    @override
    def _closing(self, record: TranscriptionRecord) -> str:
        return "all done"

    @override
    def _write_page(self, record: TranscriptionRecord) -> None:
        if self.page_error is not None:
            raise self.page_error
        self.page = record.status

    @override
    def _keep(self) -> None:
        self.kept = True
        raise DatasetError("full")

    def stored(self) -> TranscriptionRecord:
        record = self.root.record_of("r1", TranscriptionRecord)
        assert record is not None
        return record


def test_a_record_says_that_the_run_works_and_then_how_it_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path)
    with caplog.at_level(logging.INFO, "framemill"):
        record = run()
    assert (run.seen, record.status) == ("running", "completed")
    assert run.stored() == record
    assert record.configuration["quiet"] is True
    lines = [line.getMessage() for line in caplog.records]
    assert lines[0] == "run r1: 1 video to do"
    assert lines[1].startswith("completed: all done, in ")
    assert "no_face" in lines[2]
    assert (tmp_path / "runs" / "r1.toml").exists()


@pytest.mark.parametrize(
    ("error", "status"), [(DatasetError("full"), "failed"), (KeyboardInterrupt(), "interrupted")], ids=str
)
def test_what_ends_the_work_is_in_the_record(tmp_path: Path, error: BaseException, status: str) -> None:
    run = Run(tmp_path, error)
    assert run().status == run.stored().status == status


def test_an_error_in_the_program_is_recorded_and_goes_on(tmp_path: Path) -> None:
    run = Run(tmp_path, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        run()
    assert (run.stored().status, run.page, run.kept) == ("failed", "failed", True)


def test_a_page_that_cannot_be_written_makes_the_run_fail_and_the_record_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.page_error = DatasetError("full")
    assert run().status == run.stored().status == "failed"


def test_an_error_in_the_page_is_recorded_and_goes_on(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.page_error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        run()
    assert run.stored().status == "failed"


def test_nothing_is_done_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("no folder")
    run = Run(tmp_path)
    with pytest.raises(DatasetError):
        run()
    assert run.seen == ""
