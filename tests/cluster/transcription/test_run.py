"""A run that is cut short, and results that cannot be stored."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from cluster.datasets.increment import Increment
from cluster.engines.base import Engine, EngineError
from cluster.engines.tasks import Done, Task
from cluster.transcription.config import TranscriptionOptions
from cluster.transcription.plan import TranscriptionPlan, make_plan
from cluster.transcription.run import TranscriptionRun
from cluster.transcription.transcriber import Transcript
from schemas.records import Machine
from schemas.transcriptions import TranscriptionRecord
from schemas.transcripts import TranscriptWord
from tests.support.lips import trained_lips, write_lips
from tests.support.transcripts import failure_codes, transcripts


class Results(Engine):
    """Gives a transcript for each task, the text of which is that of `texts`; an exception breaks off."""

    def __init__(self, texts: list[str | Exception]) -> None:
        self._texts = texts

    def machine(self, resources: object = None) -> Machine:
        return Machine(engine="local", nodes=1, cpus=1, gpus=0)

    def run(self, queue: Any, worker: Any) -> Generator[Any, None, None]:
        for text in self._texts:
            if isinstance(text, Exception):
                raise text
            (task,) = queue.take_batch(1)
            assert isinstance(task, Task)
            word = TranscriptWord(text, 0.0, 0.5, 0.5)
            yield queue.settle(Done(task, Transcript(text, 0.5, (word,), 0.5, 10, {"faces": 1.0})))

    def close(self) -> None:
        pass


@pytest.fixture
def plan(tmp_path: Path) -> TranscriptionPlan:
    write_lips(tmp_path / "reader", trained_lips())
    for name in ("a", "b", "c"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / f"{name}.mp4").write_text(name)
    given = {"input": str(tmp_path / "videos"), "output": str(tmp_path / "out"), "quiet": True}
    return make_plan(TranscriptionOptions.of(checkpoint=str(tmp_path / "reader"), **given))


def run(plan: TranscriptionPlan, *texts: str | Exception) -> TranscriptionRecord:
    increment = Increment(list(plan.videos), frozenset(), {})
    return TranscriptionRun(plan, increment, Results(list(texts)), replaced=0)()


def left(plan: TranscriptionPlan, folder: Path) -> tuple[TranscriptionRecord, str]:
    """The record and the page that a run has left."""
    record, page = ((folder / "out" / "runs" / f"{plan.run_id}{suffix}").read_text() for suffix in (".json", ".html"))
    return TranscriptionRecord.from_json(record), page


def test_what_was_finished_is_kept(plan: TranscriptionPlan, tmp_path: Path) -> None:
    record = run(plan, "bin", "blue", EngineError("the machines are gone"))
    assert [row["text"] for row in transcripts(tmp_path / "out")] == ["bin", "blue"]
    assert (record.status, record.counts.transcribed, record.counts.unaccounted) == ("failed", 2, 1)
    assert record.counts.partial == 2
    assert left(plan, tmp_path)[0].counts == record.counts


def test_a_mistake_in_this_program_keeps_what_was_finished_and_has_a_page(
    plan: TranscriptionPlan, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        run(plan, "bin", ZeroDivisionError())
    assert [row["text"] for row in transcripts(tmp_path / "out")] == ["bin"]
    record, page = left(plan, tmp_path)
    assert (record.status, record.counts.transcribed) == ("failed", 1)
    assert "Transcription failed" in page


def test_a_result_that_cannot_be_stored_costs_no_other(plan: TranscriptionPlan, tmp_path: Path) -> None:
    record = run(plan, "bin", "half a character \ud800", "blue")
    assert [row["text"] for row in transcripts(tmp_path / "out")] == ["bin", "blue"]
    assert failure_codes(tmp_path / "out") == {"b": "internal"}
    assert record.failures[0].stage == "write"
