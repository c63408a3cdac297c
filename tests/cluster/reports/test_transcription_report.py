"""The page of a transcription run."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from fractions import Fraction

import numpy as np

from cluster.reports.context import PageContext
from cluster.reports.transcription_report import TranscriptSample, render_transcription_report
from extractors.video.animation import encode_animation, first_frame
from tests.support.animations import durations_of
from tests.support.pages import Page, assert_accessible, assert_self_contained
from tests.support.transcription_records import COUNTS, RECORD

HOSTILE = "<script>alert('id')</script>\u202e"


def sample(name: str = "one", text: str = "", preview: bytes | None = b"RIFF") -> TranscriptSample:
    return TranscriptSample(id=name, uri=f"{name}.mp4", text=text, read="bun red", score=0.5, preview=preview)


def test_the_page_is_self_contained_and_accessible() -> None:
    samples = [sample(HOSTILE, HOSTILE), sample("two", preview=None)]
    for record in (RECORD, replace(RECORD, command=(), failures=(), failures_by_code={}, seconds_by_stage={})):
        html = render_transcription_report(record, samples, PageContext(unchanged=()))
        page = assert_self_contained(html)
        assert_accessible(page)
        assert "<script>alert" not in html
        assert sum(tag == "img" for tag, _ in page.tags) == 1


def test_the_page_accounts_for_every_video() -> None:
    text = assert_self_contained(render_transcription_report(RECORD)).text
    assert "9 in total = 4 transcribed + 3 already done (1 of them failed) + 2 failed" in text
    assert "Samples" not in text
    left = replace(RECORD, status="interrupted", counts=replace(COUNTS, videos_total=11))
    text = assert_self_contained(render_transcription_report(left)).text
    assert "Transcription was interrupted; 2 videos failed" in text
    assert "2 not processed" in text
    assert "Resume" in text


def test_samples_show_what_was_read_and_where_it_is_known_what_was_said() -> None:
    html = render_transcription_report(RECORD, [sample(text="bin red")])
    assert "b<mark>u</mark>n red" in html
    assert "data:image/webp;base64,UklGRg==" in html
    page = assert_self_contained(html)
    assert "wrong characters marked" in page.text
    assert "50.00%" in page.text
    assert "wrong characters marked" not in assert_self_contained(render_transcription_report(RECORD, [sample()])).text


def test_a_preview_stands_still_in_print_and_for_readers_who_prefer_less_motion() -> None:
    frames = np.full((3, 64, 64, 3), 90, np.uint8)
    frames[1:, :32] = 200, 20, 20
    preview = encode_animation(frames, Fraction(5), max_bytes=1 << 16)
    page = Page(render_transcription_report(RECORD, [sample(preview=preview)]))
    (source,) = (attributes for tag, attributes in page.tags if tag == "source")
    assert source["media"] == "print, (prefers-reduced-motion: reduce)"
    still = b64decode((source["srcset"] or "").removeprefix("data:image/webp;base64,"))
    assert still == first_frame(preview)
    assert (len(durations_of(preview)), durations_of(still)) == (2, [])


def test_the_page_of_a_run_that_was_killed_says_so() -> None:
    killed = replace(RECORD, status="running").closed()
    text = assert_self_contained(render_transcription_report(killed)).text
    assert "Transcription was killed" in text


def test_what_may_be_mended_comes_with_its_command() -> None:
    failed = replace(RECORD, failures_by_code={"storage": 1, "no_face": 1})
    text = assert_self_contained(render_transcription_report(failed)).text
    assert "transcribe_lips.py --retry-failed storage" in text
