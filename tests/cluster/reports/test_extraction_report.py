"""Run report: complete, self-contained, and unmoved by hostile ids."""

import dataclasses

import pytest

from cluster.reports.context import PageContext
from cluster.reports.extraction_report import render_run_report
from cluster.reports.failures import ADVICE
from cluster.reports.links import PageLink
from schemas.outcomes import FailureCode
from schemas.records import MAX_FAILURES, Machine
from schemas.runs import ContactPicture, Counts, FailureNote, RunRecord, SlowVideo, ThroughputPoint
from tests.support.pages import Page, assert_accessible, assert_self_contained
from tests.support.run_records import EMPTY, SMALL, failure, jpeg_base64

HOSTILE = "<script>alert('id')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}\u202egpj.mp4\x00\udc80"


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
    assert "frames per second after start-up 8.00" in text
    text = Page(render_run_report(RECORDS["million"])).text
    assert "accounted for" not in text
    assert (
        "1,000,000 in total = 861,002 extracted + 112,345 already done + 1,207 failed + 25,446 not processed." in text
    )


def test_rates_are_those_after_the_start_up() -> None:
    points = (
        ThroughputPoint(seconds=10.0, videos=1, frames=8),
        ThroughputPoint(seconds=20.0, videos=21, frames=168),
    )
    text = Page(render_run_report(dataclasses.replace(SMALL, throughput=points))).text
    assert "frames per second after start-up 16.0" in text
    assert "videos per second after start-up 2.00" in text
    assert "15.8× real time" in text
    assert "The start-up took 10 s" in text
    for too_few in (points[:1], points[:1] * 2, ()):
        text = Page(render_run_report(dataclasses.replace(SMALL, throughput=too_few))).text
        assert "frames per second –" in text
        assert "The run was too short for a chart over time." in text
        assert "real time" not in text


def test_a_run_of_which_a_part_failed_is_amber() -> None:
    html = render_run_report(SMALL)
    assert "status-light partial" in html
    assert "Extraction completed; 3 videos failed" in Page(html).text
    fine = dataclasses.replace(SMALL.counts, extracted=23, failed=0)
    html = render_run_report(dataclasses.replace(SMALL, counts=fine, failures=(), failures_by_code={}))
    assert "status-light completed" in html


def test_videos_and_pages_are_linked() -> None:
    pages = (
        PageLink("Night of 1 March", "/data/labels/nights/2026-03-01.html"),
        PageLink("elsewhere", "s3://b/a.html"),
    )
    context = PageContext(uri="/data/features/runs/small.html", pages=pages, videos={"d": "/data/videos/d.mp4"})
    page = assert_self_contained(render_run_report(SMALL, context))
    assert page.hrefs[0] == "../../labels/nights/2026-03-01.html"
    assert page.hrefs[-2:] == ["../../videos/d.mp4"] * 2
    assert "elsewhere" not in page.text


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
    assert "not_media 2 no index found" in text
    assert "jobs/extract_features.py --input 'my videos' --output out --retry-failed time_limit Failed videos" in text
    again = dataclasses.replace(SMALL, command=(*SMALL.command, "--retry-failed", "time_limit"))
    assert "--retry-failed time_limit --retry-failed" not in Page(render_run_report(again)).text
    assert "Failures" not in Page(render_run_report(EMPTY)).text
    hopeless = dataclasses.replace(SMALL, failures_by_code={"not_media": 3}, failures=SMALL.failures[:2])
    assert "--retry-failed" not in Page(render_run_report(hopeless)).text


def test_what_earlier_runs_left_and_what_got_other_labels_is_told() -> None:
    counts = dataclasses.replace(SMALL.counts, failed_before=1, relabelled=4, earlier_release=1)
    text = Page(render_run_report(dataclasses.replace(SMALL, counts=counts))).text
    assert "20 extracted + 1 already done (1 of them failed) + 3 failed." in text
    assert "4 given other labels or splits 1 with features of an earlier release ( --redo-earlier )" in text
    assert "of them failed" not in Page(render_run_report(SMALL)).text


def test_long_lists_of_failures_name_the_rest() -> None:
    page = Page(render_run_report(RECORDS["million"]))
    assert page.text.count("while decoding") == MAX_FAILURES
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
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert page.hrefs == []
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert "{{ 7*7 }}" in page.text
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "\\u202egpj.mp4\\x00\\udc80" in page.text


def test_folders_that_could_not_be_read_are_named() -> None:
    unread = tuple(f"in/{number}" for number in range(7))
    text = Page(render_run_report(dataclasses.replace(SMALL, unread=unread))).text
    assert "Videos are missing. 7 folders, links or tars of the input were not read, or not to the end: in/0, " in text
    assert "in/3, in/4, …" in text
    text = Page(render_run_report(dataclasses.replace(SMALL, unread=unread[:1]))).text
    assert "1 folder, link or tar of the input was not read, or not to the end: in/0. Mend this" in text
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
