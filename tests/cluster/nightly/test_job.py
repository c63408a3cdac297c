"""Whole nights on real videos, in this process: what is new is labelled, and nothing is done twice."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest

from cluster.extraction.job import planned
from cluster.extraction.plan import read_inputs
from cluster.nightly.config import NightlyOptions
from cluster.nightly.job import run_nightly
from cluster.nightly.records import NightRecords
from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.storage.lease import Lease
from schemas.nights import NightCounts, NightRecord
from tests.support.checkpoints import trained, write_trained
from tests.support.dataset import ids
from tests.support.engines import refuse_engine
from tests.support.folders import contents
from tests.support.nights import die_with_lease, night_of, run_of
from tests.support.pages import Page, assert_self_contained
from tests.support.scoring import label_ids
from tests.support.videos import Clip, write_video

TINY = Clip(frames=30, width=96, height=48)
WEIGHTS = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
FIRST, SECOND = "2026-03-01", "2026-03-02"


def config(root: Path, **changes: Any) -> NightlyOptions:
    places = {name: str(root / name) for name in ("videos", "features", "labels")}
    values = {**places, "checkpoint": (str(root / "classifier"),), "date": FIRST, "engine": "local", "quiet": True}
    return NightlyOptions.of(**{**values, **WEIGHTS, **changes})


def night(root: Path, date: str = FIRST) -> NightRecord:
    found = NightRecords(str(root / "labels")).read(date)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def log(caplog):
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


@pytest.fixture(scope="module")
def after_first(tmp_path_factory):
    """Three videos and a broken one, a classifier for their features, and the first night."""
    root = tmp_path_factory.mktemp("nightly")
    (root / "videos").mkdir()
    for name in ("a", "b", "c"):
        write_video(root / "videos" / f"{name}.mp4", TINY)
    (root / "videos" / "broken.mp4").write_text("no video")
    extraction = config(root).extraction()
    with planned(extraction, read_inputs(extraction)) as (plan, _):
        checkpoint = trained("logistic", classes=3, rgb_dim=1024, fingerprint=plan.fingerprint)
    write_trained(root / "classifier", checkpoint)
    assert not (root / "features").exists()
    assert run_nightly(config(root, max_failure_ratio=0.3)) == ExitCode.DONE
    return root


@pytest.fixture
def root(after_first, tmp_path):
    """A copy of that, to go on with; the videos keep their times."""
    return shutil.copytree(after_first, tmp_path / "root", copy_function=shutil.copy2)


def test_the_first_night_labels_everything(after_first):
    assert ids(after_first / "features") == label_ids(after_first / "labels", FIRST) == ["a", "b", "c"]
    record = night(after_first)
    assert record.status == "completed"
    assert record.counts == NightCounts(new=4, extracted=3, failed=1, labelled=3)
    assert record.failures_by_code == {"not_media": 1}
    assert record.drift is None
    assert record.labels is not None
    assert (record.labels.videos, sum(entry.first for entry in record.labels.classes)) == (3, 3)
    assert all(video.score < record.labels.sure_from for video in record.labels.least_sure)
    (run,) = record.runs
    assert (after_first / "features" / "runs" / f"{run.extraction_run}.json").exists()
    assert (after_first / "labels" / "runs" / f"{run.scoring_run}.json").exists()
    nights = after_first / "labels" / "nights"
    assert parse(NightlyOptions, ["--config", str(nights / f"{FIRST}.toml")]) == config(
        after_first, max_failure_ratio=0.3
    )
    assert {path.name for path in nights.iterdir()} == {f"{FIRST}.json", f"{FIRST}.html", f"{FIRST}.toml"}
    assert run.cost.held_core_seconds >= run.cost.used_core_seconds > 0
    assert run.cost.bytes_read == sum((after_first / "videos" / f"{name}.mp4").stat().st_size for name in "abc")
    assert {path.name for path in (after_first / "labels").iterdir()} == {
        *(f"date={FIRST}", "ledger", "nights", "report.html", "runs"),
    }


def test_the_page_shows_the_videos(after_first):
    page = assert_self_contained((after_first / "labels" / "report.html").read_text())
    assert "Of 4 new videos, 1 failed; 3 videos were labelled." in page.text
    shown = {attributes["alt"] for tag, attributes in page.tags if tag == "img"}
    assert shown == {f"Frame of {name}" for name in "abc"}


def reached(page: Path) -> set[Path]:
    """The files that the links of a page lead to, all of which exist."""
    hrefs = Page(page.read_text()).hrefs
    found = {(page.parent / unquote(href)).resolve() for href in hrefs}
    assert all(path.is_file() for path in found), hrefs
    return found


def test_pages_and_videos_are_linked_to_each_other(after_first, tmp_path):
    root = shutil.copytree(after_first, tmp_path / "moved")  # links hold wherever the folder is
    report, night_page = root / "labels" / "report.html", root / "labels" / "nights" / f"{FIRST}.html"
    (run_page,) = (root / "features" / "runs").glob("*.html")
    videos = {root / "videos" / f"{name}.mp4" for name in ("a", "b", "c", "broken")}
    assert reached(report) == {run_page, *videos}
    assert reached(night_page) == {report, run_page, *videos}
    assert reached(run_page) == {night_page, *videos}


def test_running_it_again_touches_no_file(root, log):
    before = contents(root)
    assert run_nightly(config(root, max_failure_ratio=0.3)) == ExitCode.DONE
    assert contents(root) == before
    assert f"nothing is new, and {FIRST} has its record" in log.text
    assert "4 videos, 4 settled before, of them 1 failed, 0 to do" in log.text
    assert "1 × not_media: 'broken' (replace them, and the next run takes them up)" in log.text
    # Its failure is still open: the day keeps its exit code, and the next one has its own.
    assert run_nightly(config(root)) == ExitCode.TOO_MANY_FAILURES
    assert "too many failures: extraction of 1 out of 4 videos (--max-failure-ratio 0.1)" in log.text
    assert contents(root) == before
    (root / "videos" / "broken.mp4").unlink()
    assert run_nightly(config(root)) == ExitCode.DONE
    assert contents(root).keys() | {root / "videos" / "broken.mp4"} == before.keys()


@pytest.mark.parametrize("address", [None, "127.0.0.1:1"], ids=["own cluster", "cluster to join"])
def test_without_work_no_engine_starts(address, root, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.engines.deferred.make_engine", refuse_engine)
    before = contents(root)
    on_ray = {"engine": "ray", "address": address}
    assert run_nightly(config(root, **on_ray, max_failure_ratio=0.3)) == ExitCode.DONE
    assert run_nightly(config(root, **on_ray, fps="2")) == ExitCode.BAD_INPUT
    assert contents(root) == before
    assert run_nightly(config(root, **on_ray, date=SECOND)) == ExitCode.DONE
    assert night(root, SECOND).runs[0].machine.cpus == 0


def test_a_failure_of_the_day_counts_until_it_is_mended(root):
    write_video(root / "videos" / "new.mp4", TINY)
    (root / "videos" / "bad.mp4").write_text("no video either")
    assert run_nightly(config(root, date=SECOND)) == ExitCode.TOO_MANY_FAILURES
    assert run_nightly(config(root, date=SECOND)) == ExitCode.TOO_MANY_FAILURES
    assert run_nightly(config(root, date="2026-03-03")) == ExitCode.DONE
    write_video(root / "videos" / "bad.mp4", TINY)
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert [run.counts.failed for run in night(root, SECOND).runs] == [1, 0]
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE


def test_settings_are_those_of_the_dataset(root, log):
    write_video(root / "videos" / "new.mp4", TINY)
    bare = dict.fromkeys(WEIGHTS)
    assert run_nightly(config(root, date=SECOND, **bare)) == ExitCode.DONE
    assert label_ids(root / "labels", SECOND) == ["new"]
    assert run_nightly(config(root, date=SECOND, **bare, frame_features=True, fps="2")) == ExitCode.BAD_INPUT
    assert "features was extracted with other options:" in log.text
    assert "--frame-features: no there, yes here" in log.text
    assert "--fps: 1 there, 2 here" in log.text
    assert "--weights" not in log.text


def test_labels_that_were_corrected_reach_the_features(root):
    lines = [f"{name},{root}/videos/{name}.mp4,{label}" for name, label in (("a", "cat"), ("b", "dog"), ("c", ""))]
    (root / "m.csv").write_text("\n".join(["id,uri,labels", *lines]))
    shards = list((root / "features" / "features").iterdir())
    assert run_nightly(config(root, date=SECOND, videos=str(root / "m.csv"))) == ExitCode.DONE
    assert set((root / "features" / "features").iterdir()) == set(shards)
    labels = {row["id"]: row["labels"] for path in shards for row in pq.read_table(path).to_pylist()}
    assert labels == {"a": [0], "b": [1], "c": []}
    assert not (root / "labels" / f"date={SECOND}").exists()
    before = contents(root)
    assert run_nightly(config(root, date=SECOND, videos=str(root / "m.csv"))) == ExitCode.DONE
    assert contents(root) == before


def test_the_next_night_does_what_is_new_or_replaced(root, log):
    write_video(root / "videos" / "new.mp4", TINY)
    write_video(root / "videos" / "b.mp4", replace(TINY, frames=60))
    (root / "videos" / "c.mp4").unlink()
    before = {path: content for path, content in contents(root).items() if "labels" in path.parts}
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert label_ids(root / "labels", SECOND) == ["b", "new"]
    record = night(root, SECOND)
    assert record.counts == NightCounts(new=1, changed=1, extracted=2, labelled=2)
    assert record.drift is not None
    assert record.drift.nights == (FIRST,)
    after = contents(root)
    assert {path for path, content in before.items() if after[path] != content} == {root / "labels" / "report.html"}
    report = root / "labels" / "report.html"
    assert "Last 2 nights" in Page(report.read_text()).text
    assert root / "labels" / "nights" / f"{FIRST}.html" in reached(report)
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert contents(root) == after
    assert len(record.runs) == 1


@pytest.mark.heavy
def test_more_videos_on_a_day_are_added_to_it(root):
    write_video(root / "videos" / "new.mp4", TINY)
    assert run_nightly(config(root, max_failure_ratio=0.3)) == ExitCode.DONE
    assert label_ids(root / "labels", FIRST) == ["a", "b", "c", "new"]
    record = night(root)
    assert [run.counts.new for run in record.runs] == [4, 1]
    assert record.labels is not None
    assert record.labels.videos == 4
    assert [note.id for note in record.failures] == ["broken"]


def test_a_failure_that_is_mended_is_told(root):
    write_video(root / "videos" / "broken.mp4", TINY)
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert night(root, SECOND).counts == NightCounts(changed=1, extracted=1, labelled=1)
    text = Page((root / "labels" / "report.html").read_text()).text
    assert "Mended failures" in text
    assert f"broken {FIRST} not_media" in text
    assert "status-light completed" in (root / "labels" / "report.html").read_text()
    assert "status-light partial" in (root / "labels" / "nights" / f"{FIRST}.html").read_text()


def test_a_night_without_news_has_a_record_too(root):
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    record = night(root, SECOND)
    assert (record.counts, record.runs[0].extraction_run, record.runs[0].scoring_run) == (NightCounts(), None, None)
    assert "No new videos" in (root / "labels" / "report.html").read_text()


def test_too_many_failures_leave_nothing_else_undone(root):
    for number in range(3):
        (root / "videos" / f"bad-{number}.mp4").write_text(f"no video {number}")
    write_video(root / "videos" / "new.mp4", TINY)
    assert run_nightly(config(root, date=SECOND)) == ExitCode.TOO_MANY_FAILURES
    record = night(root, SECOND)
    assert (record.status, record.counts.labelled) == ("completed", 1)
    assert record.runs[-1].problem.startswith("too many failures: extraction of 3 out of 4 videos")
    assert "Needs attention." in (root / "labels" / "report.html").read_text()


def test_a_night_that_was_killed_is_made_up_by_the_next(root):
    write_video(root / "videos" / "new.mp4", TINY)
    records = NightRecords(str(root / "labels"))
    records.write(night_of(SECOND, runs=(run_of(status="running", counts=NightCounts(new=1)),)))
    for lease in ("labels/nightly-lease.json", "features/lease.json", "labels/lease.json"):
        die_with_lease(root / lease)
    assert run_nightly(config(root, date="2026-03-03")) == ExitCode.DONE
    assert night(root, SECOND).status == "died"
    assert "was killed" in (root / "labels" / "nights" / f"{SECOND}.html").read_text()
    assert label_ids(root / "labels", "2026-03-03") == ["new"]
    assert not list(root.rglob("*lease.json"))


def test_features_without_labels_are_made_up(root):
    """As after a night that was killed between extraction and scoring."""
    for path in (*(root / "labels").glob("date=*/*"), *(root / "labels").glob("ledger/*/*")):
        path.unlink()
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert label_ids(root / "labels", SECOND) == ["a", "b", "c"]
    assert night(root, SECOND).counts == NightCounts(labelled=3)


@pytest.mark.heavy
def test_a_failed_night_is_recorded_and_made_up(root):
    write_video(root / "videos" / "new.mp4", TINY)
    ledger = root / "labels" / "ledger" / f"date={SECOND}"
    ledger.write_text("not a folder")
    assert run_nightly(config(root, date=SECOND)) == ExitCode.FAILED
    record = night(root, SECOND)
    assert (record.status, record.counts) == ("failed", NightCounts(new=1, extracted=1))
    ledger.unlink()
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert [run.status for run in night(root, SECOND).runs] == ["failed", "completed"]
    assert label_ids(root / "labels", SECOND) == ["new"]


@pytest.mark.parametrize("place", ["labels/nightly-lease.json", "features/lease.json"])
def test_a_second_concurrent_run_is_refused(place, root, log):
    (root / "videos" / "a.mp4").touch()
    before = contents(root)
    lease = Lease(str(root / place), "another")
    lease.acquire()
    try:
        assert run_nightly(config(root, date=SECOND)) == ExitCode.BAD_INPUT
    finally:
        lease.release()
    assert "run another (process" in log.text
    assert "--output" not in log.text  # which a night does not have
    assert contents(root) == before


def test_wrong_features_are_refused_before_any_work(root, log):
    write_video(root / "videos" / "new.mp4", TINY)
    before = contents(root)
    others = config(root, date=SECOND, weights="random:1", features=str(root / "others"))
    assert run_nightly(others) == ExitCode.BAD_INPUT
    assert "what these options extract: not the features that model" in log.text
    assert "frames.weights" in log.text
    write_trained(root / "classifier", trained("lstm", rgb_dim=1024, fingerprint=night(root).fingerprint))
    shutil.copytree(root / "classifier", root / "framewise")
    assert run_nightly(config(root, date=SECOND, checkpoint=(str(root / "framewise"),))) == ExitCode.BAD_INPUT
    assert "give --frame-features" in log.text
    after = contents(root)
    changed = {
        path.relative_to(root).parts[0] for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    }
    assert changed == {"classifier", "framewise"}  # by this test


def test_all_bad_input_is_reported_at_once_and_touches_nothing(tmp_path, log):
    bad = config(tmp_path, weights="nowhere.pth", labels="https://example.com/labels")
    assert run_nightly(bad) == ExitCode.BAD_INPUT
    for words in ("there is no checkpoint, a folder with", "cannot be written to", "nowhere.pth", "videos:"):
        assert words in log.text, words
    assert os.listdir(tmp_path) == []


def test_another_model_labels_everything_anew(root):
    write_trained(
        root / "classifier", trained("logistic", classes=3, rgb_dim=1024, seed=1, fingerprint=night(root).fingerprint)
    )
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert label_ids(root / "labels", SECOND) == ["a", "b", "c"]
    record = night(root, SECOND)
    assert record.drift is not None
    assert (record.drift.other_models, record.counts.extracted) == (1, 0)
    models = {row["model"] for path in (root / "labels").glob("date=*/*") for row in pq.read_table(path).to_pylist()}
    assert len(models) == 2


@pytest.mark.heavy
def test_an_old_day_leaves_the_report_of_the_latest(root):
    write_video(root / "videos" / "new.mp4", TINY)
    before = (root / "labels" / "report.html").read_bytes()
    assert run_nightly(config(root, date="2026-02-01", without_pictures=True)) == ExitCode.DONE
    assert (root / "labels" / "report.html").read_bytes() == before
    assert "<img" not in (root / "labels" / "nights" / "2026-02-01.html").read_text()
