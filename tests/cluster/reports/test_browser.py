"""Every page in a browser: on a screen, in the dark, on a phone and in print; its tables, links and files."""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.nightly.drift import drift_of
from cluster.reports.annotations_report import render_annotations_report
from cluster.reports.comparison_report import render_comparison
from cluster.reports.context import PageContext
from cluster.reports.extraction_report import render_run_report
from cluster.reports.links import PageLink
from cluster.reports.night_report import render_night_report
from cluster.reports.training_report import render_training_report
from cluster.reports.transcription_report import TranscriptSample, render_transcription_report
from extractors.video.animation import encode_animation
from extractors.video.thumbnail import Thumbnail, encode_thumbnail
from schemas.evaluations import GroupScore
from schemas.label_statistics import LabelledVideo
from schemas.runs import FailureNote, SlowVideo
from schemas.sampled_timelines import NOTHING
from tests.support.browser import Browser, open_browser
from tests.support.cutting_records import cuts_of, cutting_record
from tests.support.nights import MODEL, labels_of, night_of
from tests.support.run_records import SMALL
from tests.support.timelines import sampled
from tests.support.training_records import renamed, training_record
from tests.support.transcription_records import RECORD

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
PAGES = {
    "run": "features/runs/small.html",
    "training": "classifier/training.html",
    "night": "labels/report.html",
    "annotations": "clips/annotations.html",
    "transcription": "transcripts/runs/r1.html",
}
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"width": 1280},
    "dark": {"width": 1280, "dark": True},
    "phone": {"width": 400},
    "print": {"width": 718, "media": "print"},  # A4 without margins of a centimetre
}
PICTURE = Thumbnail(1.0, encode_thumbnail(np.full((168, 224, 3), 90, np.uint8)))
FAILED = ("=cmd|' /C calc'!A0", "zebra", "Apple", HOSTILE)
URIS = ("https://host/=1.mp4", "javascript:alert(1)", "https://user:secret@host/a.mp4", "https://host/b.mp4?***")

TIMELINES = (
    sampled([0, 0, 0, NOTHING, 1, 1, 2, 2], [(0, 3, 0), (2, 6, 1), (6, 8, 2)], id="x/1", names=("a", "b", HOSTILE)),
    sampled(
        [number // 7 % 12 for number in range(120)],
        [(33.0 * number, 33.0 * number + 60, number % 12) for number in range(24)],
        id="x/2",
        names=[f"class number {number} of twelve" for number in range(12)],
        cell_seconds=33.0,
    ),
)

# Text that reaches out of its chart, but for what a region scrolls or a name's ellipsis shortens.
CUT_TEXTS = """[...document.querySelectorAll("svg.chart text")].filter((text) => {
  const chart = text.closest("svg.chart").getBoundingClientRect(), box = text.getBoundingClientRect();
  return box.width && (box.left < chart.left - 1 || box.right > chart.right + 1 || box.bottom > chart.bottom + 1);
}).map((text) => text.textContent)"""
# Elements that reach out of the window.
WIDE = """[...document.querySelectorAll("body *")].filter((element) =>
  element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
  && !element.closest(".rows, .scroll, .heat.many, .visually-hidden, svg")
).map((element) => element.outerHTML.slice(0, 200))"""
IDS = """(caption) => [...[...document.querySelectorAll("table")].find((table) => table.caption.textContent === caption)
  .tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.querySelector("[data-value]").dataset.value)"""
TABLE = """[...document.querySelectorAll("table")].find((table) => table.caption.textContent === {!r})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of all jobs in their folders, beside a folder of videos."""
    root = tmp_path_factory.mktemp("site")
    for folder in ("features/runs", "classifier", "labels/nights", "videos", "clips", "transcripts/runs"):
        (root / folder).mkdir(parents=True)
    (root / "videos" / "good.mp4").write_bytes(b"")
    night_page = "labels/nights/2026-02-27.html"
    links = {name: PageLink(name, str(root / page)) for name, page in {**PAGES, "before": night_page}.items()}

    def context(name: str) -> PageContext:
        pages = tuple(link for other, link in links.items() if other != name)
        return PageContext(uri=links[name].uri, pages=pages, unchanged=("fps",), videos={"x/1": good, "d": good})

    good = str(root / "videos" / "good.mp4")
    notes = tuple(
        FailureNote(id=name, uri=uri, stage="read", code="empty", message=HOSTILE, attempts=number)
        for number, (name, uri) in enumerate(zip(FAILED, URIS, strict=True), 9)
    )
    slow = tuple(SlowVideo(id=name, seconds=seconds, frames=9) for name, seconds in (("d", 100.0), ("e", 9.0)))
    run = dataclasses.replace(SMALL, failures=notes, slowest=slow)
    (root / PAGES["run"]).write_text(render_run_report(run, context("run")))

    names = ["Association football", "Video game console", HOSTILE, *(f"Entity {number}" for number in range(9))]
    training = renamed(training_record(12), names)
    test = training.splits[-1]
    mistakes = tuple(dataclasses.replace(one, uri=good) for one in test.mistakes)
    training = dataclasses.replace(
        training, splits=(*training.splits[:-1], dataclasses.replace(test, mistakes=mistakes))
    )
    pictures = {one.id: PICTURE for one in mistakes[:20]}
    (root / PAGES["training"]).write_text(render_training_report(training, pictures, context("training")))

    earlier = [night_of(f"2026-02-{day}", labels_of({"a": 60, "b": 40 + day, "v": 2})) for day in (20, 24, 26, 27)]
    shown = [LabelledVideo(id=f"x/{number}", index=97, name="a", score=0.1 * number) for number in range(1, 5)]
    labels = labels_of({"a": 90, "b": 10, "new": 5, HOSTILE: 4}, unlabelled=3, shown=shown)
    labels = dataclasses.replace(labels, timelines=TIMELINES)
    night = night_of(labels=labels, drift=drift_of(labels, MODEL, earlier), failures=notes)
    night_pictures = {video.id: PICTURE for video in shown[:2]}
    page = render_night_report(night, earlier, night_pictures, context("night"), mended=["zebra"])
    (root / PAGES["night"]).write_text(page)
    (root / night_page).write_text(render_night_report(earlier[-1], earlier[:-1], {}, context("before")))
    crowd = [(f"class {number % 20} of a set {HOSTILE * (number == 3)}", number, number + 9.0) for number in range(50)]
    cuts = [cuts_of("anna", ("run", 0.0, 0.1), ("walk", 3.0, 30.0)), cuts_of("folder/" * 9 + "ben", *crowd)]
    page = render_annotations_report(cutting_record(*cuts, label=HOSTILE), cuts, context("annotations"))
    (root / PAGES["annotations"]).write_text(page)
    preview = encode_animation(np.full((2, 180, 496, 3), 90, np.uint8), Fraction(5), max_bytes=1 << 16)
    texts = (("bin blue at f two now", "bin blu at f now"), ("", "set red " * 40), (HOSTILE, HOSTILE))
    samples = [
        TranscriptSample(
            id=f"x/{number}" * (9 * number + 1), uri=good, text=text, read=read, score=0.5, preview=preview
        )
        for number, (text, read) in enumerate(texts)
    ]
    transcription = dataclasses.replace(RECORD, failures=notes)
    page = render_transcription_report(transcription, samples, context("transcription"))
    (root / PAGES["transcription"]).write_text(page)
    return root


def problems(browser: Browser) -> list[str]:
    """What the browser complains of, or should not have done: errors, blocked parts, requests, dialogs, exceptions."""
    found = []
    for event in browser.events:
        method, parameters = event.get("method", ""), event.get("params", {})
        if method in ("Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
            found.append(str(parameters))
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if parameters.get("type") != "Document" and not url.startswith("data:"):
                found.append(url)
    return found


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_and_nothing_is_fetched(browser: Browser, site: Path, name: str, view: str) -> None:
    browser.open(site / PAGES[name], **VIEWS[view])
    assert browser.run("document.querySelectorAll('section').length") > 4
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.run(WIDE) == []
    assert browser.run(CUT_TEXTS) == []
    assert problems(browser) == []
    scheme = "rgb(18, 21, 23)" if view == "dark" else "rgb(255, 255, 255)" if view == "print" else "rgb(245, 245, 242)"
    assert browser.run("getComputedStyle(document.body).backgroundColor") == scheme


@pytest.mark.parametrize("view", VIEWS)
def test_trainings_side_by_side_fit_every_view(browser: Browser, tmp_path: Path, view: str) -> None:
    names = ["Association football", "Video game console", HOSTILE, *(f"Entity {number}" for number in range(9))]
    record = renamed(training_record(12), names)
    groups = tuple(
        GroupScore(group=group, videos=300, correct=240, training_videos=1200)
        for group in (HOSTILE, "recordings/2026/athlete-with-a-long-name-12/camera-3")
    )
    test = dataclasses.replace(record.splits[-1], groups=groups, group_count=2, known_groups=2)
    record = dataclasses.replace(record, splits=(*record.splits[:-1], test))
    (tmp_path / "comparison.html").write_text(render_comparison({"by-clip": record, HOSTILE: record}))
    browser.open(tmp_path / "comparison.html", **VIEWS[view])
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.run(WIDE) == []
    assert browser.run(CUT_TEXTS) == []
    assert problems(browser) == []


@pytest.mark.parametrize("name", PAGES)
def test_print_opens_what_is_folded_and_leaves_no_tools(browser: Browser, site: Path, name: str) -> None:
    folded = "[...document.querySelectorAll('details table')].filter((one) => !one.checkVisibility()).length"
    browser.open(site / PAGES[name], width=718, script=False)
    assert browser.run(folded) > 0
    browser.media("print")
    browser.picture()  # drawn once, it is laid out for print
    assert browser.run(folded) == 0
    assert browser.run("[...document.querySelectorAll('.tools, nav')].every((one) => !one.checkVisibility())")
    assert browser.run("[...document.querySelectorAll('.rows')].every((one) => one.scrollHeight <= one.clientHeight)")
    assert browser.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("name", PAGES)
def test_the_contents_lead_to_every_section(browser: Browser, site: Path, name: str) -> None:
    browser.open(site / PAGES[name])
    sections = browser.run("[...document.querySelectorAll('h2')].map((one) => one.textContent)")
    links = """[...document.querySelectorAll('nav a[href^="#"]')]"""
    assert browser.run(f"{links}.map((link) => document.querySelector(link.hash).textContent)") == sections
    assert len(set(sections)) == len(sections)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_the_other_pages_wherever_the_folder_is(
    browser: Browser, site: Path, name: str, tmp_path: Path
) -> None:
    copied = tmp_path / "a copy #1"
    shutil.copytree(site, copied)
    pages = {*PAGES.values(), "labels/nights/2026-02-27.html"} - {PAGES[name]}
    browser.open(copied / PAGES[name])
    links = browser.run("[...document.querySelectorAll('nav a[rel]')].map((a) => a.href)")
    assert sorted(links) == sorted((copied / page).as_uri() for page in pages)
    for number in range(len(links)):
        browser.open(copied / PAGES[name])
        browser.follow(f"document.querySelectorAll('nav a[rel]')[{number}]")
        assert browser.run("location.href") == links[number]
        assert browser.run("document.querySelectorAll('section').length") > 3


def test_ids_lead_to_their_videos_and_hostile_addresses_nowhere(browser: Browser, site: Path) -> None:
    browser.open(site / PAGES["run"])
    links = "[...document.querySelectorAll('main a:not([download], nav a)')].map((a) => a.getAttribute('href'))"
    assert browser.run(links) == [URIS[0], "../../videos/good.mp4", "../../videos/good.mp4"]
    browser.open(site / PAGES["training"])
    assert set(browser.run(links)) == {"../videos/good.mp4"}
    browser.open(site / PAGES["night"])
    assert set(browser.run(links)) == {"../videos/good.mp4", URIS[0]}


@pytest.mark.parametrize("name", ["run", "night"])
def test_failed_videos_are_sorted_and_filtered(browser: Browser, site: Path, name: str) -> None:
    failed = [one for one in FAILED if name == "run" or one != "zebra"]  # which is mended
    browser.open(site / PAGES[name])
    table, ids = TABLE.format("Failed videos"), f"({IDS})('Failed videos')"
    assert browser.run(ids) == failed

    def click(column: int) -> str:
        order: str = browser.run(
            f"{table}.tHead.rows[0].cells[{column}].querySelector('button').click(), "
            f"{table}.tHead.rows[0].cells[{column}].ariaSort"
        )
        return order

    assert click(0) == "ascending"
    ascending = browser.run(ids)
    assert [one for one in ascending if one[0].isalpha()] == [one for one in ("Apple", "zebra") if one in failed]
    assert click(0) == "descending"
    assert browser.run(ids) == ascending[::-1]
    assert click(3) == "descending"  # attempts: 9, 10, 11, 12, as numbers
    assert browser.run(ids) == failed[::-1]
    assert browser.run(f"{table}.tHead.rows[0].cells[0].ariaSort") is None
    field = f"{table}.closest('.table').querySelector('input')"

    def enter(text: str) -> None:
        browser.run(f"{field}.value = {text!r}, {field}.dispatchEvent(new Event('input'))")

    enter("APPLE while")
    assert browser.run(ids) == ["Apple"]
    assert browser.run(f"{table}.closest('.table').querySelector('output').textContent") == f"1 of {len(failed)}"
    enter("")
    assert browser.run(ids) == failed[::-1]
    enter("nothing of the kind")
    assert browser.run(ids) == []


def test_mistakes_are_sorted_by_their_probability(browser: Browser, site: Path) -> None:
    browser.open(site / PAGES["training"])
    table = TABLE.format("Most confident mistakes")
    values = f"[...{table}.tBodies[0].rows].map((row) => Number(row.cells[5].dataset.value))"
    falling = browser.run(values)
    assert falling == sorted(falling, reverse=True)
    assert len(falling) == 100
    browser.run(f"{table}.tHead.rows[0].cells[3].querySelector('button').click()")
    true = browser.run(f"[...{table}.tBodies[0].rows].map((row) => Number(row.cells[3].dataset.value))")
    assert true == sorted(true, reverse=True)
    assert browser.run(f"{table}.querySelectorAll('img').length") == 20
    assert browser.run(f"[...{table}.querySelectorAll('img')].every((image) => image.naturalWidth === 224)")


@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (1600, False)])
def test_strips_of_timelines_fit_and_have_the_colours_of_their_legend(
    browser: Browser, site: Path, width: int, dark: bool
) -> None:
    browser.open(site / PAGES["night"], width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.run(WIDE) == []
    assert browser.run(CUT_TEXTS) == []
    figures = "[...document.querySelectorAll('.timeline')]"
    assert browser.run(f"{figures}.map((one) => one.querySelector('.id').title)") == ["x/1", "x/2"]
    assert browser.run(f"{figures}.every((one) => one.querySelector('img').naturalWidth === 224)")
    # The picture is beside the strip; where there is no room, above it.
    beside = """((one) => one.querySelector("img").getBoundingClientRect().right
      <= one.querySelector("svg.chart").getBoundingClientRect().left)"""
    assert browser.run(f"{figures}.map({beside})") == [width > 760] * 2
    strips = f"{figures}.map((one) => one.querySelector('svg.chart').getBoundingClientRect().width)"
    assert min(browser.run(strips)) > min(width - 80, 800)
    colour = "getComputedStyle(one).fill"
    drawn = browser.run(f"[...{figures}[0].querySelectorAll('rect[class|=hue]')].map((one) => {colour})")
    told = browser.run(
        f"[...{figures}[0].querySelectorAll('.legend i')].map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert set(drawn) == set(told)
    assert len(set(told)) == 3
    assert told[0] == ("rgb(116, 182, 211)" if dark else "rgb(43, 108, 140)")
    # Names of events are shortened to them, and whole in their titles.
    events = f"[...{figures}[1].querySelectorAll('.event')]"
    assert browser.run(f"{events}.length") == 24
    assert browser.run(
        f"{events}.every((one) => one.getBoundingClientRect().height < 24 && one.title.includes(' to '))"
    )
    assert browser.run(f"{figures}.every((one) => one.querySelectorAll('svg *').length < 500)")
    assert problems(browser) == []


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_everything_is_there(browser: Browser, site: Path, name: str) -> None:
    browser.open(site / PAGES[name], script=False)
    assert browser.run("document.querySelectorAll('button, input').length") == 0
    assert browser.run("document.querySelectorAll('a[download]').length") > 0
    hidden = "[...document.querySelectorAll('.table tbody tr')].filter((row) => !row.checkVisibility()).length"
    assert browser.run(hidden) == 0


@pytest.mark.parametrize("script", [True, False])
def test_tables_are_downloaded_as_csv(browser: Browser, site: Path, tmp_path: Path, script: bool) -> None:
    browser.open(site / PAGES["run"], script=script)
    path = browser.save("a[download='failed-videos.csv']", tmp_path)
    assert path.name == "failed-videos.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert [row["id"] for row in rows] == [f"'{FAILED[0]}", *FAILED[1:]]
    assert [row["attempts"] for row in rows] == ["9", "10", "11", "12"]
    assert rows[1]["uri"] == URIS[1]
