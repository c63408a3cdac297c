"""Run record: the way to JSON and back, what is refused, and how clearly."""

import dataclasses
import json

import pytest

from schemas.records import MAX_FAILURES, Machine
from schemas.runs import ContactPicture, Counts, DurationHistogram, FailureNote, RunRecord, SlowVideo, ThroughputPoint
from schemas.strict_json import JsonMismatchError


@pytest.fixture
def record() -> RunRecord:
    failure = FailureNote(id="c", uri="in/c.mp4", stage="probe", code="not-media", message="no moov", attempts=1)
    return RunRecord(
        run_id="r1",
        job="extract_features",
        status="completed",
        started_at="2025-01-31T06:00:00Z",
        finished_at="2025-01-31T06:01:30.500Z",
        command=("python", "jobs/extract_features.py", "--input", "in"),
        configuration={"input": "in", "fps": 1, "codes": ["a", None, True], "nested": {"deep": 0.5}},
        versions={"python": "3.11.7"},
        fingerprint={"weights": "random:0"},
        machine=Machine(engine="local", nodes=1, cpus=2, gpus=0),
        counts=Counts(
            videos_total=3,
            already_done=1,
            extracted=1,
            failed=1,
            retried=0,
            frames=8,
            decoded_seconds=7.5,
            bytes_read=1000,
            bytes_written=500,
            shards=1,
        ),
        failures_by_code={"not-media": 1},
        failures=(failure,),
        seconds_by_stage={"decode": 1.5, "embed": 2.0},
        throughput=(ThroughputPoint(seconds=0.0, videos=0, frames=0), ThroughputPoint(seconds=9.0, videos=2, frames=8)),
        durations=DurationHistogram.from_seconds([7.5]),
        slowest=(SlowVideo(id="b", seconds=3.0, frames=8),),
        contact_sheet=(ContactPicture(id="b", seconds=2.0, jpeg_base64="/9j/"),),
        weights_warning=None,
    )


def test_json_gives_back_an_equal_record(record: RunRecord) -> None:
    text = record.to_json()
    assert RunRecord.from_json(text) == record
    assert RunRecord.from_json(text).to_json() == text
    warned = dataclasses.replace(record, weights_warning="random weights")
    assert RunRecord.from_json(warned.to_json()) == warned


def test_json_is_sorted_at_every_level_and_ends_in_a_newline(record: RunRecord) -> None:
    text = record.to_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=2) + "\n"


def test_every_disagreement_is_listed_at_once_with_its_place(record: RunRecord) -> None:
    document = json.loads(record.to_json())
    document["statuss"] = document.pop("status")
    document["counts"]["frames"] = "many"
    document["counts"]["bytes_read"] = 1.5
    document["failures"][0].pop("uri")
    document["throughput"][1]["seconds"] = True
    document["versions"]["python"] = 3
    document["weights_warning"] = 7
    with pytest.raises(JsonMismatchError) as caught:
        RunRecord.from_json(json.dumps(document))
    assert set(caught.value.problems) == {
        "statuss: unknown key; did you mean 'status'?",
        "status: missing",
        'counts.frames: expected a whole number, got "many"',
        "counts.bytes_read: expected a whole number, got 1.5",
        "failures[0].uri: missing",
        "throughput[1].seconds: expected a number, got true",
        "versions.python: expected text, got 3",
        "weights_warning: expected text, got 7",
    }
    assert all(problem in str(caught.value) for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "document: expected an object, got []"),
        ('{"schema_version": 99, "novelty": 1}', "schema_version: 99, this code reads 2"),
    ],
)
def test_what_is_no_record_of_ours_is_told_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(JsonMismatchError, match="run record: ") as caught:
        RunRecord.from_json(text)
    assert caught.value.problems[0].startswith(problem)


def test_values_out_of_range_are_refused_when_made_and_when_read(record: RunRecord) -> None:
    with pytest.raises(ValueError, match="status is 'done', allowed: running, completed, interrupted, failed, died"):
        dataclasses.replace(record, status="done")
    with pytest.raises(ValueError, match="started_at is '2025-01-31T06:00:00'"):
        dataclasses.replace(record, started_at="2025-01-31T06:00:00")
    with pytest.raises(ValueError, match="at most 200"):
        dataclasses.replace(record, failures=record.failures * (MAX_FAILURES + 1))
    with pytest.raises(ValueError, match="frames=-1"):
        dataclasses.replace(record.counts, frames=-1)
    document = json.loads(record.to_json())
    document["counts"]["frames"] = -1
    with pytest.raises(JsonMismatchError, match=r"counts: counts cannot be negative: frames=-1"):
        RunRecord.from_json(json.dumps(document))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_no_word_for_are_refused(record: RunRecord, number: str) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(record, seconds_by_stage={"read": float(number)}).to_json()
    text = record.to_json().replace('"decode": 1.5', f'"decode": {number}')
    with pytest.raises(JsonMismatchError, match=r"seconds_by_stage.decode: .* is not a finite number"):
        RunRecord.from_json(text)


def test_accounting_and_wall_time(record: RunRecord) -> None:
    assert record.counts.processed == 2
    assert record.counts.unaccounted == 0
    assert dataclasses.replace(record.counts, extracted=0).unaccounted == 1
    assert record.wall_seconds == 90.5
    assert dataclasses.replace(record, finished_at="2025-01-31T05:00:00Z").wall_seconds == 0


def test_histogram_bins_hold_their_lower_edge_and_the_last_is_open() -> None:
    histogram = DurationHistogram.from_seconds([0.0, 4.999, 5.0, 9.0, 10.0, 1e9], edges_seconds=(0.0, 5.0, 10.0))
    assert histogram.counts == (2, 2, 2)
    assert histogram.plus(iter([5.0, 5.0])).counts == (2, 4, 2)
    with pytest.raises(ValueError, match="edges must rise"):
        DurationHistogram(edges_seconds=(5.0, 5.0), counts=(0, 0))
    with pytest.raises(ValueError, match="2 edges but 1 counts"):
        DurationHistogram(edges_seconds=(0.0, 5.0), counts=(0,))
