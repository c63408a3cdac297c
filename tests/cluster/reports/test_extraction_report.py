"""Run report: complete, self-contained, and unmoved by hostile ids."""

import base64
import dataclasses

import av
import numpy as np
import pytest

from cluster.reports.extraction_report import render_run_report
from cluster.reports.failures import ADVICE, FAILURES_SHOWN
from schemas.outcomes import FailureCode
from schemas.records import MAX_FAILURES, Machine
from schemas.runs import ContactPicture, Counts, DurationHistogram, FailureNote, RunRecord, SlowVideo, ThroughputPoint
from tests.support.pages import Page, assert_accessible, assert_self_contained

HOSTILE = "<script>alert('id')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}\u202egpj.mp4\x00\udc80"


def jpeg_base64() -> str:
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 32, 24, "yuvj420p"
    frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), 90, dtype=np.uint8), format="rgb24")
    packets = encoder.encode(frame.reformat(format="yuvj420p")) + encoder.encode(None)
    return base64.b64encode(b"".join(bytes(packet) for packet in packets)).decode()


def failure(name: str, code: str = "not_media") -> FailureNote:
    return FailureNote(id=name, uri=f"in/{name}", stage="decode", code=code, message="no index found", attempts=1)


EMPTY = RunRecord(
    run_id="nothing-to-do",
    job="extract_features",
    status="completed",
    started_at="2025-01-31T06:00:00Z",
    finished_at="2025-01-31T06:00:00Z",
    command=(),
    configuration={},
    versions={},
    fingerprint={},
    machine=Machine(engine="local", nodes=1, cpus=1, gpus=0),
    counts=Counts(
        videos_total=0,
        already_done=0,
        extracted=0,
        failed=0,
        retried=0,
        frames=0,
        decoded_seconds=0.0,
        bytes_read=0,
        bytes_written=0,
        shards=0,
    ),
    failures_by_code={},
    failures=(),
    seconds_by_stage={},
    throughput=(),
    durations=DurationHistogram.from_seconds([]),
    slowest=(),
    contact_sheet=(),
    weights_warning=None,
)
SMALL = dataclasses.replace(
    EMPTY,
    run_id="small",
    finished_at="2025-01-31T06:00:20Z",
    command=("python", "jobs/extract_features.py", "--input", "my videos", "--output", "out"),
    configuration={"input": "my videos", "fps": 1, "retry_failed": None, "codes": ["a", "b"]},
    versions={"python": "3.11.7"},
    fingerprint={"weights": "random:0"},
    counts=dataclasses.replace(
        EMPTY.counts,
        videos_total=24,
        extracted=20,
        already_done=1,
        failed=3,
        frames=160,
        decoded_seconds=158.5,
        shards=1,
    ),
    failures_by_code={"not_media": 2, "time_limit": 1},
    failures=(failure("a"), failure("b"), failure("c", "time_limit")),
    seconds_by_stage={"decode": 7.5, "embed": 22.5},
    throughput=tuple(ThroughputPoint(seconds=2.0 * i, videos=2 * i, frames=16 * i) for i in range(11)),
    durations=DurationHistogram.from_seconds([4.0] * 5 + [7.0] * 15),
    slowest=(SlowVideo(id="d", seconds=2.0, frames=9),),
    contact_sheet=(ContactPicture(id="d", seconds=3.0, jpeg_base64=jpeg_base64()),),
    weights_warning="These features come from random weights.",
)


def million() -> RunRecord:
    ids = [f"gs://bucket/{'long-' * 20}{i:09d}" for i in range(MAX_FAILURES)]
    counts = Counts(
        videos_total=1_000_000,
        already_done=112_345,
        extracted=861_002,
        failed=1_207,
        retried=8_412,
        frames=201_345_678,
        decoded_seconds=201_345_678.4,
        bytes_read=84_123_456_789_012,
        bytes_written=412_345_678_901,
        shards=842,
    )
    return dataclasses.replace(
        SMALL,
        status="interrupted",
        finished_at="2025-02-02T16:20:34Z",
        counts=counts,
        failures_by_code={"not_media": 1_200, "code_of_tomorrow": 7},
        failures=tuple(failure(name) for name in ids),
        throughput=tuple(ThroughputPoint(seconds=70.0 * i, videos=290 * i, frames=67_000 * i) for i in range(3000)),
        contact_sheet=tuple(ContactPicture(id=name, seconds=1.0, jpeg_base64=jpeg_base64()) for name in ids[:24]),
    )


RECORDS = {"empty": EMPTY, "small": SMALL, "million": million()}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_the_page_is_self_contained(name: str) -> None:
    assert_self_contained(render_run_report(RECORDS[name]))


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_the_page_is_accessible(name: str) -> None:
    assert_accessible(Page(render_run_report(RECORDS[name])))


def test_every_id_is_accounted_for() -> None:
    text = Page(render_run_report(SMALL)).text
    assert "Every id is accounted for: 24 in total = 20 extracted + 1 already done + 3 failed." in text
    assert "frames per second 8.00" in text
    text = Page(render_run_report(RECORDS["million"])).text
    assert "accounted for" not in text
    assert (
        "1,000,000 in total = 861,002 extracted + 112,345 already done + 1,207 failed + 25,446 not processed." in text
    )


def test_sums_that_do_not_add_up_are_marked() -> None:
    lost = dataclasses.replace(SMALL, counts=dataclasses.replace(SMALL.counts, extracted=19))
    html = render_run_report(lost)
    assert "+ 1 not processed." in Page(html).text
    assert 'class="statement wrong"' in html
    twice = dataclasses.replace(SMALL, counts=dataclasses.replace(SMALL.counts, extracted=22))
    assert "2 more outcomes than ids: 24 in total" in Page(render_run_report(twice)).text


def test_failures_come_with_messages_advice_and_the_command_to_retry() -> None:
    text = Page(render_run_report(SMALL)).text
    for code in ("not_media", "time_limit"):
        assert ADVICE[FailureCode(code)] in text
    assert "not_media 2 (66.7%) no index found" in text
    assert "jobs/extract_features.py --input 'my videos' --output out --retry-failed time_limit Failed videos" in text
    again = dataclasses.replace(SMALL, command=(*SMALL.command, "--retry-failed", "time_limit"))
    assert "--retry-failed time_limit --retry-failed" not in Page(render_run_report(again)).text
    assert "Failures" not in Page(render_run_report(EMPTY)).text
    hopeless = dataclasses.replace(SMALL, failures_by_code={"not_media": 3}, failures=SMALL.failures[:2])
    assert "--retry-failed" not in Page(render_run_report(hopeless)).text


def test_what_earlier_runs_left_and_what_got_other_labels_is_told() -> None:
    counts = dataclasses.replace(SMALL.counts, failed_before=1, relabelled=4)
    text = Page(render_run_report(dataclasses.replace(SMALL, counts=counts))).text
    assert "20 extracted + 1 already done (1 of them failed) + 3 failed." in text
    assert "4 given other labels or splits" in text
    assert "of them failed" not in Page(render_run_report(SMALL)).text


def test_long_lists_of_failures_are_collapsed_and_name_the_rest() -> None:
    page = Page(render_run_report(RECORDS["million"]))
    assert f"{MAX_FAILURES - FAILURES_SHOWN} more" in page.text
    assert "The first 200; the failures/ shards hold all 1,207." in page.text
    assert "code_of_tomorrow 7 (0.6%) The failure shards hold the messages. See the messages below." in page.text


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    hostile = dataclasses.replace(
        SMALL,
        run_id=HOSTILE,
        command=(HOSTILE,),
        configuration={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        fingerprint={HOSTILE: {HOSTILE: [HOSTILE]}},
        machine=Machine(engine=HOSTILE, nodes=1, cpus=1, gpus=0),
        failures_by_code={HOSTILE: 3},
        failures=(FailureNote(id=HOSTILE, uri=HOSTILE, stage=HOSTILE, code=HOSTILE, message=HOSTILE, attempts=1),),
        seconds_by_stage={HOSTILE: 1.0},
        slowest=(SlowVideo(id=HOSTILE, seconds=1.0, frames=1),),
        contact_sheet=(ContactPicture(id=HOSTILE, seconds=1.0, jpeg_base64='" onerror="alert(1)'),),
        weights_warning=HOSTILE,
        unread=(HOSTILE,),
    )
    html = render_run_report(hostile)
    html.encode("utf-8")  # a lone surrogate, as in a badly named file, would fail here
    page = Page(html)
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("img") == 1
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert "{{ 7*7 }}" in page.text
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "\\u202egpj.mp4\\x00\\udc80" in page.text


def test_folders_that_could_not_be_read_are_named() -> None:
    unread = tuple(f"in/{number}" for number in range(7))
    text = Page(render_run_report(dataclasses.replace(SMALL, unread=unread))).text
    assert (
        "Videos are missing. 7 folders or links of the input could not be read: in/0, in/1, in/2, in/3, in/4, …" in text
    )
    text = Page(render_run_report(dataclasses.replace(SMALL, unread=unread[:1]))).text
    assert "1 folder or link of the input could not be read: in/0. Mend this" in text
    assert "could not be read" not in Page(render_run_report(SMALL)).text


def test_the_warning_about_weights_and_the_settings_are_shown() -> None:
    text = Page(render_run_report(SMALL)).text
    assert "These features come from random weights." in text
    assert 'codes ["a", "b"]' in text
    assert "retry_failed –" in text
    assert "Weights." not in Page(render_run_report(EMPTY)).text


def test_a_record_read_back_from_json_gives_the_same_page() -> None:
    for record in RECORDS.values():
        assert render_run_report(RunRecord.from_json(record.to_json())) == render_run_report(record)
