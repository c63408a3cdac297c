"""The page of a night: complete, self-contained, and unmoved by hostile names."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from cluster.nightly.drift import drift_of
from cluster.reports.context import PageContext
from cluster.reports.night_report import HEADINGS, SHOWN_CLASSES, night_headline, render_night_report
from extractors.video.thumbnail import Thumbnail, encode_thumbnail
from schemas.label_statistics import LabelledVideo
from schemas.nights import NightCounts, NightRecord
from schemas.records import STATUSES
from schemas.runs import FailureNote
from tests.support.nights import MODEL, labels_of, night_of, run_of
from tests.support.pages import Page, assert_accessible, assert_self_contained
from tests.support.timelines import sampled

HOSTILE = "<script>alert('id')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}\u202egpj.mp4\x00"
PICTURE = Thumbnail(1.0, encode_thumbnail(np.full((24, 32, 3), 90, np.uint8)))


def note(name: str) -> FailureNote:
    return FailureNote(id=name, uri=f"in/{name}.mp4", stage="decode", code="truncated", message="cut short", attempts=1)


def video(name: str, label: str = "a", score: float = 0.52) -> LabelledVideo:
    return LabelledVideo(id=name, index=ord(label[0]), name=label, score=score)


def full(days: int = 7) -> tuple[NightRecord, list[NightRecord]]:
    """A night with everything, and the previous ones."""
    earlier = [night_of(f"2026-02-{20 + day}", labels_of({"a": 60, "b": 40 + day, "v": 2})) for day in range(days)]
    labels = labels_of({"a": 90, "b": 10, "new": 5}, unlabelled=3, shown=[video("x/1"), video("x/2", "b")])
    return night_of(labels=labels, drift=drift_of(labels, MODEL, earlier)), earlier


def test_the_page_shows_everything() -> None:
    night, earlier = full()
    html = render_night_report(night, earlier, {"x/1": PICTURE})
    page = assert_self_contained(html)
    assert_accessible(page)
    for words in (
        "Sunday, 1 March 2026",
        "Nightly run completed",
        "Of 8 new and 2 changed videos, 1 failed; 9 videos were labelled.",
        "Last 8 nights",
        "differ by more than three standard errors",
        "Jensen–Shannon divergence is 0.",
        "3 videos have no label above the threshold",
        "New labels",
        "new 5",
        "Vanished labels",
        "v 2",  # expected
        "The file is truncated",
        "bad in/bad.mp4",
        "Core-hours reserved 0.278 Core-hours used",
        "20260301T020000-abcdef",
        MODEL,
        "sampling.fps",
        "nights/2026-03-01.json",
    ):
        assert words in page.text, words
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ["Frame of x/1"] * 2
    assert sum(attributes.get("class") == "placeholder" for _, attributes in page.tags) == 2


def test_nights_of_a_few_videos_are_counted_and_not_compared() -> None:
    earlier = [night_of("2026-02-28", labels_of({"a": 60, "v": 2}))]
    labels = labels_of({"a": 27, "b": 2})
    night = night_of(labels=labels, drift=drift_of(labels, MODEL, earlier))
    text = Page(render_night_report(night, earlier, {})).text
    assert "Number of the 29 videos labelled on this day, by top label." in text
    assert "a: 27 of 29" in text
    assert "Too few videos for a comparison with previous nights" in text
    assert "New labels" in text
    assert "Vanished labels None." in text
    for word in ("standard error", "divergence", "±", "%"):
        assert word not in text
    labels = labels_of({"a": 28, "b": 2})
    night = night_of(labels=labels, drift=drift_of(labels, MODEL, earlier))
    text = Page(render_night_report(night, earlier, {})).text
    assert "Share of the 30 videos labelled on this day" in text
    assert "divergence is" in text
    few = [night_of("2026-02-28", labels_of({"a": 29}))]
    night = night_of(labels=labels, drift=drift_of(labels, MODEL, few))
    assert "divergence" not in Page(render_night_report(night, few, {})).text


def test_failures_that_are_mended_leave_no_amber() -> None:
    before = night_of("2026-02-28", failures=(note("old"), note("open")))
    night = night_of(failures=(note("bad"), note("worse")))
    html = render_night_report(night, [before], {})
    assert "status-light partial" in html
    assert "Mended failures" not in Page(html).text
    html = render_night_report(night, [before], {}, mended=["old", "bad"])
    assert "status-light partial" in html
    page = Page(html)
    assert "bad 2026-03-01 truncated cut short old 2026-02-28 truncated cut short" in page.text
    assert "worse in/worse.mp4 truncated while decoding cut short 1" in page.text
    html = render_night_report(night, [before], {}, mended=["bad", "worse"])
    assert "status-light completed" in html
    assert "All of them are mended." in Page(html).text


@pytest.mark.parametrize(
    ("days", "labels"),
    [(("02-27", "02-28"), ["27", "28", "1"]), (("02-26",), ["26", "27", "28", "1"]), (("01-31",), ["31", "…", "1"])],
)
def test_days_without_a_night_leave_a_gap(days: tuple[str, ...], labels: list[str]) -> None:
    earlier = [night_of(f"2026-{day}") for day in days]
    html = render_night_report(night_of(), earlier, {})
    chart = html[html.index("new videos by night") :]
    chart = chart[: chart.index("</svg>")]
    found = re.findall(r'class="tick (?:start|middle|end)">([^<]*)<', chart)
    assert [text for text in found if text != "8"] == labels


def test_the_cost_of_a_thousand_videos_is_told_of_a_thousand_only() -> None:
    few, many = (run_of(counts=NightCounts(new=count, extracted=count)) for count in (999, 1000))
    assert "Per 1,000 videos" not in Page(render_night_report(night_of(runs=(few,)), [], {})).text
    text = Page(render_night_report(night_of(runs=(many,)), [], {})).text
    assert "Per 1,000 videos Core-hours reserved 0.278 0.278" in text


def test_a_confident_night_has_no_least_confident_videos() -> None:
    assert (
        "None: the top label of every video scores 0.5 or more."
        in Page(render_night_report(night_of(labels=labels_of({"a": 3})), [], {})).text
    )


def test_what_differs_from_the_defaults_comes_first_and_the_rest_is_folded() -> None:
    html = render_night_report(night_of(), [], {}, PageContext(unchanged=("top_k",)))
    changed, folded = html.split("All options, versions and the machine")
    assert "Options other than the defaults" in changed
    assert "top_k" not in changed
    assert "top_k" in folded
    assert "Options other than the defaults" not in render_night_report(night_of(), [], {})


def test_same_night_same_page() -> None:
    night, earlier = full()
    once = render_night_report(night, earlier, {})
    assert once == render_night_report(NightRecord.from_json(night.to_json()), earlier, {})


def test_hostile_text_stays_text() -> None:
    note = FailureNote(id=HOSTILE, uri=HOSTILE, stage="decode", code="truncated", message=HOSTILE, attempts=1)
    labels = labels_of({HOSTILE: 3, "b": 1}, shown=[video(HOSTILE, HOSTILE)])
    before = [night_of("2026-02-28", labels_of({HOSTILE: 1, "v" + HOSTILE: 1}))]
    night = night_of(
        labels=labels,
        drift=drift_of(labels, MODEL, before),
        failures=(note,),
        runs=(run_of(problem=HOSTILE, command=(HOSTILE,)),),
        configuration={"videos": HOSTILE},
        weights_warning=HOSTILE,
        model=HOSTILE,
    )
    html = render_night_report(night, before, {HOSTILE: PICTURE})
    assert_self_contained(html)
    assert "\u202e" not in html
    assert "\x00" not in html


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_its_heading(status: str) -> None:
    night = night_of(runs=(run_of(), run_of(status=status, problem="the disk is full" if status == "failed" else "")))
    page = assert_self_contained(render_night_report(night, [], {}))
    assert HEADINGS[status] in page.text
    assert ("the disk is full" in page.text) == (status == "failed")
    assert ("was killed, or its machine was lost" in page.text) == (status == "died")
    assert "No video was labelled on this day" in page.text
    assert "First night" in page.text


def test_the_first_night_has_no_comparison() -> None:
    page = Page(render_night_report(night_of(labels=labels_of({"a": 3, "b": 1})), [], {}))
    assert "standard error" not in page.text
    assert "New labels" not in page.text
    assert "a: 3 of 4" in page.text
    assert "%" not in page.text


def test_thousands_of_labels_do_not_make_a_long_page() -> None:
    counts = {chr(0x4E00 + number): 5000 - number for number in range(4000)}
    earlier = [night_of("2026-02-28", labels_of(dict.fromkeys(counts, 5000) | {"v": 9}))]
    labels = labels_of({**counts, chr(0x4E00 + 3000): 90_000, **{chr(0x7000 + n): 1 for n in range(100)}})
    night = night_of(labels=labels, drift=drift_of(labels, MODEL, earlier))
    html = render_night_report(night, earlier, {})
    assert len(html) < 250_000
    page = Page(html)
    (chart,) = [attributes["aria-label"] or "" for tag, attributes in page.tags if "Videos by top" in str(attributes)]
    assert chart.count(";") == SHOWN_CLASSES - 1
    assert chr(0x4E00 + 3000) in chart  # it changed most


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (NightCounts(), "No new videos; all labels are up to date."),
        (NightCounts(labelled=1), "No new videos; 1 video was labelled."),
        (NightCounts(new=1, extracted=1, labelled=13), "1 new video; 13 videos were labelled."),
        (NightCounts(retried=1, failed=1), "1 retried video, which failed; 0 videos were labelled."),
        (
            NightCounts(new=1200, extracted=1200, labelled=1200),
            "Of 1,200 new videos, none failed; 1,200 videos were labelled.",
        ),
        (
            NightCounts(new=1, changed=2, retried=3, failed=4, labelled=2),
            "Of 1 new, 2 changed and 3 retried videos, 4 failed; 2 videos were labelled.",
        ),
    ],
)
def test_headlines(counts: NightCounts, words: str) -> None:
    assert night_headline(replace(night_of(), runs=(run_of(counts=counts),))) == words


def test_a_night_that_labels_videos_says_nothing_of_features() -> None:
    run = run_of(extraction_run=None, counts=NightCounts(new=10, failed=1, labelled=9))
    night = night_of(labels=labels_of({"a": 9}), labels_of="videos", extracts=False, runs=(run,))
    page = assert_self_contained(render_night_report(night, [], {}))
    assert_accessible(page)
    assert "Of 10 new videos, 1 failed; 9 videos were labelled." in page.text
    assert "1 of the 10 videos processed this night failed" in page.text
    assert "Fingerprint of the clips sampling.fps 1" in page.text
    assert "Labels written 40 kB" in page.text
    assert not [word for word in ("xtract", "eature", "Video read") if word in page.text]


def test_a_night_that_does_both_tells_of_both() -> None:
    night = night_of(labels=labels_of({"a": 9}), labels_of="videos", extracts=True)
    text = Page(render_night_report(night, [], {})).text
    assert "1 video failed; the others are not affected" in text
    assert "Fingerprint of features and clips" in text
    assert "Features and labels written 40 kB" in text


def test_timelines_are_shown_with_what_is_missing() -> None:
    timelines = (
        sampled([0, 1], [(0, 1, 0)], id="x/1", more_events=2),
        sampled([2], id=HOSTILE, names=("a", "b", HOSTILE)),
    )
    labels = replace(labels_of({"a": 90}), timelines=timelines)
    html = render_night_report(night_of(labels=labels), [], {"x/1": PICTURE}, PageContext(videos={"x/1": "gs://b/x"}))
    page = assert_self_contained(html)
    assert_accessible(page)
    assert "Over the time of 2 videos, drawn at random from the day's videos" in page.text
    assert "2 more events in the label shards." in page.text
    labels_of_charts = [attributes.get("aria-label") or "" for tag, attributes in page.tags if tag == "svg"]
    told = [label for label in labels_of_charts if label.startswith("Timeline of")]
    assert told[0] == (
        "Timeline of x/1, 2 s: zero: 0:00 to 0:01, score 0.75; one: 0:01 to 0:02, score 0.75. "
        "Events: zero: 0:00 to 0:01, score 0.90"
    )
    assert "\u202e" not in html
    assert page.hrefs[0].endswith("/b/x")
    assert "timelines" not in Page(render_night_report(night_of(labels=labels_of({"a": 90})), [], {})).headings
