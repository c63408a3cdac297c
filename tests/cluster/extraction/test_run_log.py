import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from cluster.engines.tasks import Done, Task
from cluster.extraction.run_log import MAX_POINTS, SLOWEST, RunLog
from extractors.features import SegmentFeatures
from extractors.segments import Segment
from extractors.video.thumbnail import Thumbnail
from schemas.failures import FailureRow
from schemas.features import FeatureRow
from schemas.records import MAX_FAILURES, Machine
from schemas.runs import RunRecord, SlowVideo
from schemas.videos import Video


def segment(name: str, index: int = 0, count: int = 1, thumbnail: Thumbnail | None = None) -> Done:
    part = Segment(index, count, index * 300)
    sums = np.zeros(4), np.zeros(3)
    seconds = {"decode": 0.5, "embed_frames": 1.0 + index}
    features = SegmentFeatures(part, 10, 10.0, *sums, None, None, False, seconds, 1000, thumbnail)
    return Done(Task(Video(name, f"{name}.mp4"), part), features)


def row(name: str, seconds: float = 10.0) -> FeatureRow:
    return FeatureRow(name, (), np.zeros(4), np.zeros(3), False, 10, seconds, f"{name}.mp4")


def failure(name: str, code: str = "missing", uri: str = "u") -> FailureRow:
    return FailureRow(name, uri, "read", code, "why", 2, "r1", "")


def record(log: RunLog, **changes: object) -> RunRecord:
    values = {
        "status": "completed",
        "configuration": {"input": "in", "workers": None},
        "fingerprint": {"sampling.fps": "1"},
        "machine": Machine(engine="local", nodes=1, cpus=2, gpus=0),
        "videos_total": 5,
        "already_done": 1,
        "failed_before": 1,
        "relabelled": 0,
        "earlier_release": 0,
        "retried": 1,
        "workers_lost": 3,
        "nodes_lost": 2,
        "bytes_written": 77,
        "shards": 1,
        "weights_warning": None,
        "unread": (),
        **changes,
    }
    return log.record(**values)


def test_a_run_is_counted():
    log = RunLog("r1")
    for done in (segment("a", thumbnail=Thumbnail(2.5, b"jpeg")), segment("b", 0, 2), segment("b", 1, 2)):
        log.add_segment(done)
    log.add_row(row("a"), 1.0)
    log.add_row(row("b", 400.0), 2.0)
    log.add_failure(failure("d"), 3.0)
    log.add_failure(failure("c", "truncated"), 4.0)
    found = record(log)
    counts = found.counts
    assert (counts.extracted, counts.failed, counts.already_done, counts.unaccounted) == (2, 2, 1, 0)
    assert (counts.frames, counts.decoded_seconds, counts.bytes_read) == (30, 410.0, 2000)
    assert (counts.retried, counts.bytes_written, counts.shards) == (1, 77, 1)
    assert (counts.workers_lost, counts.nodes_lost) == (3, 2)
    assert found.failures_by_code == {"missing": 1, "truncated": 1}
    assert [(note.id, note.code, note.attempts) for note in found.failures] == [
        ("c", "truncated", 2),
        ("d", "missing", 2),
    ]
    assert found.seconds_by_stage == {"decode": 1.5, "embed_frames": 4.0}
    assert found.slowest == (SlowVideo(id="b", seconds=4.0, frames=10), SlowVideo(id="a", seconds=1.5, frames=10))
    assert [(picture.id, picture.seconds, picture.jpeg_base64) for picture in found.contact_sheet] == [
        ("a", 2.5, "anBlZw==")
    ]
    assert sum(found.durations.counts) == 2
    assert found.versions["python"] == sys.version.split()[0]
    assert set(found.versions) >= {"torch", "pyarrow", "av"}


def test_the_record_survives_json():
    log = RunLog("r1", started=datetime(2025, 1, 31, tzinfo=UTC))
    log.add_segment(segment("a\n\udcff"))
    log.add_row(row("a\n\udcff"), 1.0)
    found = record(log)
    assert RunRecord.from_json(found.to_json()) == found
    assert found.started_at == "2025-01-31T00:00:00.000Z"


def test_a_run_without_work_has_a_record():
    found = record(RunLog("r1"), videos_total=1)
    assert found.counts.unaccounted == 0
    assert RunRecord.from_json(found.to_json()) == found
    assert [(point.videos, point.frames) for point in found.throughput] == [(0, 0)]


def test_a_record_stays_small():
    log = RunLog("r1")
    for number in range(2000):
        name = f"{number:04d}"
        log.add_segment(segment(name))
        if number % 2:
            log.add_row(row(name), number)
        else:
            log.add_failure(failure(name), number)
    found = record(log, videos_total=2001)
    assert len(found.failures) == MAX_FAILURES
    assert found.failures_by_code == {"missing": 1000}
    assert len(found.slowest) == SLOWEST
    assert MAX_POINTS / 4 < len(found.throughput) <= MAX_POINTS + 2
    seconds = [point.seconds for point in found.throughput[:-1]]
    assert seconds == sorted(seconds)
    assert found.throughput[-1].videos == 2000
    assert found.counts.unaccounted == 0


def test_work_on_a_video_that_fails_is_forgotten():
    log = RunLog("r1")
    log.add_segment(segment("a", 0, 3))
    log.add_failure(failure("a"), 1.0)
    assert record(log).slowest == ()
    assert log._work == {}


def test_a_record_keeps_no_secret(monkeypatch):
    uri = "https://user:SECRET@host/a.mp4?signature=SECRET"
    monkeypatch.setattr(sys, "argv", ["extract_features.py", "--input", uri])
    log = RunLog("r1")
    log.add_failure(failure("a", uri=uri), 1.0)
    found = record(log, configuration={"input": uri, "workers": 3, "beam_options": (uri,)})
    assert "SECRET" not in found.to_json()
    assert found.command[1:] == ("--input", "https://***@host/a.mp4?***")
    safe = "https://***@host/a.mp4?***"
    assert found.configuration == {"input": safe, "workers": 3, "beam_options": (safe,)}


@pytest.mark.parametrize("status", ["completed", "interrupted", "failed"])
def test_the_end_is_told(status):
    assert record(RunLog("r1"), status=status).status == status
