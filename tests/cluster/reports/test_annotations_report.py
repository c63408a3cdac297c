"""The page of clips: its figures are the record's, its lists are bounded, and nothing in it is trusted."""

from __future__ import annotations

from dataclasses import replace

from cluster.reports.annotations_report import MAX_BARS, MAX_FINDINGS, MAX_RECORDINGS, render_annotations_report
from schemas.cuttings import Finding, FindingCode
from tests.support.cutting_records import cuts_of, cutting_record
from tests.support.pages import assert_accessible, assert_self_contained

HOSTILE = "<script>alert(1)</script>"


def test_figures_and_sections_are_those_of_the_record() -> None:
    cuts = [cuts_of("anna", ("run", 0, 5), ("walk", 3, 9), (HOSTILE, 20, 21)), cuts_of("ben", ("run", 0.2, 0.4))]
    page = assert_self_contained(render_annotations_report(cutting_record(*cuts, label=HOSTILE), cuts))
    assert_accessible(page)
    assert page.headings == [
        *("clips-by-class", "lengths-of-clips", "splits", "refused", "reported", "left-out-by-the-reader"),
        *("failed-videos", "recordings", "seconds-by-stage", "command-and-configuration"),
    ]
    about = "25 frames/s on average, variable"
    for text in ("4 clips of 3 classes", "12.2 s", "No such video", "missing.mp4", "list.csv, line 7", about):
        assert text in page.text, text
    assert "0.2 s" in page.text
    assert "The manifest is not written" not in page.text


def test_long_lists_are_cut_off_and_say_so() -> None:
    many = [cuts_of(f"v{number}", (f"class {number}", 0, 5)) for number in range(MAX_RECORDINGS + 9)]
    finding = Finding(code=FindingCode.NO_FRAME, video="v", message="m")
    crowded = replace(many[0], cut=replace(many[0].cut, findings=(finding,) * (MAX_FINDINGS + 5)))  # type: ignore[type-var]
    text = render_annotations_report(cutting_record(crowded, *many[1:]), [crowded, *many[1:]])
    page = assert_self_contained(text)
    assert "9 more are in the manifest" in page.text
    assert f"and {len(many) - MAX_BARS} more classes" in page.text
    assert f"The first {MAX_FINDINGS} of" in page.text


def test_clips_at_one_time_beyond_the_lanes_are_counted() -> None:
    cuts = [cuts_of("a", *((f"c{number}", 0, 5) for number in range(9)))]
    page = assert_self_contained(render_annotations_report(cutting_record(*cuts), cuts))
    assert "3 more clips at the same times." in page.text


def test_a_run_that_ended_early_says_that_nothing_is_written() -> None:
    page = assert_self_contained(render_annotations_report(cutting_record(status="interrupted"), []))
    assert "Cutting was interrupted" in page.text
    assert "The manifest is not written" in page.text
