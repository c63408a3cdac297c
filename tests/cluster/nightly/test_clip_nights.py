"""Nights with a classifier of clips: videos are labelled directly, and features extracted only where wanted."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cluster.nightly.config import NightlyOptions
from cluster.nightly.job import run_nightly
from cluster.nightly.records import NightRecords
from cluster.runs.command_line import parse
from cluster.runs.lifecycle import ExitCode
from cluster.storage.lease import Lease
from schemas.nights import NightCost, NightCounts, NightRecord
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips, write_clip_videos
from tests.support.dataset import ids
from tests.support.engines import refuse_engine
from tests.support.folders import contents
from tests.support.nights import die_with_lease, night_of, run_of
from tests.support.pages import Page, assert_accessible, assert_self_contained
from tests.support.scoring import label_ids
from tests.support.videos import Clip, write_video

TINY = Clip(frames=30, width=96, height=48)
WEIGHTS = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
FIRST, SECOND, THIRD = "2026-03-01", "2026-03-02", "2026-03-03"
NAMES = ["v00000", "v00001", "v00002"]


def config(root: Path, **changes: Any) -> NightlyOptions:
    values = {name: str(root / name) for name in ("videos", "labels")}
    values |= {"checkpoint": (str(root / "actions"),), "date": FIRST, "engine": "local", "quiet": True}
    values |= {"without_pictures": True}
    return NightlyOptions.of(**{**values, **changes})


def with_features(root: Path, **changes: Any) -> NightlyOptions:
    return config(root, features=str(root / "features"), **{**WEIGHTS, **changes})


def night(root: Path, date: str = FIRST) -> NightRecord:
    found = NightRecords(str(root / "labels")).read(date)
    assert found is not None
    return found


def failed_ids(root: Path, date: str) -> list[str]:
    found = (root / "labels").glob(f"failures/date={date}/*.parquet")
    return sorted(name for path in found for name in pq.read_table(path)["id"].to_pylist())


@pytest.fixture(autouse=True)
def log(caplog):
    with caplog.at_level(logging.INFO, "framemill"):
        yield caplog


@pytest.fixture(scope="module")
def after_first(tmp_path_factory):
    """Three videos and a broken one, a classifier of clips, and the first night."""
    root = tmp_path_factory.mktemp("clips")
    write_clip_videos(root / "videos", 3)
    (root / "videos" / "broken.mp4").write_text("no video")
    write_trained(root / "actions", trained_clips())
    assert run_nightly(config(root, max_failure_ratio=0.3, without_pictures=False)) == ExitCode.DONE
    return root


@pytest.fixture
def root(after_first, tmp_path):
    """A copy of that, to go on with; the videos keep their times."""
    return shutil.copytree(after_first, tmp_path / "root", copy_function=shutil.copy2)


def test_the_first_night_labels_the_videos_and_extracts_nothing(after_first):
    assert label_ids(after_first / "labels", FIRST) == NAMES
    assert failed_ids(after_first, FIRST) == ["broken"]
    assert {path.name for path in after_first.iterdir()} == {"actions", "labels", "videos"}
    record = night(after_first)
    assert (record.status, record.labels_of, record.extracts) == ("completed", "videos", False)
    assert record.counts == NightCounts(new=4, failed=1, labelled=3)
    assert record.failures_by_code == {"not_media": 1}
    assert [(note.id, note.code, note.attempts) for note in record.failures] == [("broken", "not_media", 1)]
    assert record.fingerprint["clips.model"] == "r3d-18"
    assert record.labels is not None
    assert (record.labels.videos, sum(entry.first for entry in record.labels.classes)) == (3, 3)
    (run,) = record.runs
    assert run.extraction_run is None
    assert (after_first / "labels" / "runs" / f"{run.scoring_run}.json").exists()
    assert run.cost.held_core_seconds >= run.cost.used_core_seconds > 0
    assert (run.cost.extraction_seconds, run.cost.bytes_read) == (0.0, 0)
    assert 0 < run.cost.scoring_seconds <= run.wall_seconds
    nights = after_first / "labels" / "nights"
    again = parse(NightlyOptions, ["--config", str(nights / f"{FIRST}.toml")])
    assert again == config(after_first, max_failure_ratio=0.3, without_pictures=False)


def test_the_page_shows_the_videos_and_says_nothing_of_features(after_first):
    page = assert_self_contained((after_first / "labels" / "report.html").read_text())
    assert_accessible(page)
    assert "Of 4 new videos, 1 failed; 3 videos were labelled." in page.text
    assert "1 of the 4 videos processed this night failed" in page.text
    assert "Fingerprint of the clips" in page.text
    assert not {word for word in ("extracted", "Extraction", "Features") if word in page.text}
    shown = {attributes["alt"] for tag, attributes in page.tags if tag == "img"}
    assert shown == {f"Frame of {name}" for name in NAMES}


def test_running_it_again_touches_no_file_and_starts_no_engine(root, log, monkeypatch):
    monkeypatch.setattr("cluster.engines.deferred.make_engine", refuse_engine)
    before = contents(root)
    assert run_nightly(config(root, max_failure_ratio=0.3)) == ExitCode.DONE
    assert f"nothing is new, and {FIRST} has its record" in log.text
    assert "4 videos, 4 settled before, of them 1 failed, 0 to do" in log.text
    # Its failure is still open: the day keeps its exit code, and the next one has its own.
    assert run_nightly(config(root)) == ExitCode.TOO_MANY_FAILURES
    assert "too many failures: scoring of 1 out of 4 videos (--max-failure-ratio 0.1)" in log.text
    assert contents(root) == before
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    record = night(root, SECOND)
    assert (record.counts, record.runs[0].scoring_run) == (NightCounts(), None)


def test_the_next_night_labels_what_is_new_or_replaced(root):
    write_video(root / "videos" / "new.mp4", TINY)
    write_video(root / "videos" / "v00001.mp4", replace(TINY, frames=60))
    (root / "videos" / "v00002.mp4").unlink()
    (root / "videos" / "bad.mp4").write_text("no video either")
    assert run_nightly(config(root, date=SECOND)) == ExitCode.TOO_MANY_FAILURES
    assert label_ids(root / "labels", SECOND) == ["new", "v00001"]
    record = night(root, SECOND)
    assert record.counts == NightCounts(new=2, changed=1, failed=1, labelled=2)
    assert record.runs[-1].problem.startswith("too many failures: scoring of 1 out of 3 videos")
    assert record.drift is not None
    assert record.drift.nights == (FIRST,)
    report = Page((root / "labels" / "report.html").read_text())
    assert "Last 2 nights" in report.text
    assert f"nights/{FIRST}.html" in " ".join(report.hrefs)
    write_video(root / "videos" / "bad.mp4", TINY)
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    assert [run.counts.failed for run in night(root, SECOND).runs] == [1, 0]
    assert night(root, SECOND).counts == NightCounts(new=2, changed=2, failed=1, labelled=3)
    text = Page((root / "labels" / "report.html").read_text()).text
    assert "Mended failures" in text
    assert f"bad {SECOND} not_media" in text


def test_another_model_labels_everything_anew_and_nothing_is_new(root):
    write_trained(root / "actions", trained_clips(seed=1))
    assert run_nightly(config(root, date=SECOND, retry_failed=())) == ExitCode.TOO_MANY_FAILURES
    assert label_ids(root / "labels", SECOND) == NAMES
    record = night(root, SECOND)
    assert record.counts == NightCounts(retried=1, failed=1, labelled=3)
    assert record.drift is not None
    assert record.drift.other_models == 1


@pytest.mark.heavy
def test_several_checkpoints_are_averaged(root):
    write_trained(root / "second", trained_clips(seed=1))
    both = (str(root / "actions"), str(root / "second"))
    assert run_nightly(config(root, date=SECOND, checkpoint=both, max_failure_ratio=1.0)) == ExitCode.DONE
    assert night(root, SECOND).model.count("r3d-18@") == 2


@pytest.mark.heavy
def test_features_are_extracted_beside_the_labels_where_they_are_wanted(root):
    assert run_nightly(with_features(root, date=SECOND, max_failure_ratio=0.3)) == ExitCode.DONE
    assert ids(root / "features") == NAMES
    record = night(root, SECOND)
    assert record.counts == NightCounts(new=4, extracted=3, failed=1)
    assert record.fingerprint.keys() >= {"sampling.fps", "clips.model"}
    write_video(root / "videos" / "new.mp4", TINY)
    (root / "videos" / "bad.mp4").write_text("no video either")
    assert run_nightly(with_features(root, date=THIRD)) == ExitCode.TOO_MANY_FAILURES
    assert label_ids(root / "labels", THIRD) == ["new"]
    record = night(root, THIRD)
    # What fails in both parts is one video that failed.
    assert record.counts == NightCounts(new=2, extracted=1, failed=1, labelled=1)
    assert record.failures_by_code == {"not_media": 1}
    assert record.runs[0].problem == (
        "too many failures: extraction of 1 out of 2 videos (--max-failure-ratio 0.1); "
        "too many failures: scoring of 1 out of 2 videos (--max-failure-ratio 0.1)"
    )
    page = Page((root / "labels" / "report.html").read_text())
    assert f"../features/runs/{record.runs[0].extraction_run}.html" in page.hrefs
    before = contents(root)
    assert run_nightly(with_features(root, date=THIRD, max_failure_ratio=0.5)) == ExitCode.DONE
    assert contents(root) == before


def test_a_night_that_was_killed_is_made_up_by_the_next(root):
    write_video(root / "videos" / "new.mp4", TINY)
    records = NightRecords(str(root / "labels"))
    counts = NightCounts(new=1)
    dead = run_of(status="running", counts=counts, extraction_run=None, scoring_run="never-recorded")
    records.write(night_of(SECOND, runs=(dead,), labels_of="videos", extracts=False))
    for lease in ("labels/nightly-lease.json", "labels/lease.json"):
        die_with_lease(root / lease)
    assert run_nightly(config(root, date=SECOND)) == ExitCode.DONE
    record = night(root, SECOND)
    assert [run.status for run in record.runs] == ["died", "completed"]
    assert record.counts == NightCounts(new=1, labelled=1)
    assert label_ids(root / "labels", SECOND) == ["new"]
    assert not list(root.rglob("*lease.json"))


def test_a_night_that_was_killed_before_it_wrote_its_record_counts_what_it_had_labelled(root):
    record, records = night(root), NightRecords(str(root / "labels"))
    (run,) = record.runs
    begun = replace(run, status="running", counts=run.counts.to_do, cost=NightCost(), failures_by_code={})
    records.write(replace(record, runs=(begun,), labels=None, failures=()))
    die_with_lease(root / "labels" / "nightly-lease.json")
    assert run_nightly(config(root, max_failure_ratio=0.3)) == ExitCode.DONE
    again = night(root)
    assert [one.status for one in again.runs] == ["died", "completed"]
    assert again.runs[0].counts == NightCounts(labelled=3, failed=1)
    assert (again.failures, again.failures_by_code) == (record.failures, {"not_media": 1})
    assert again.labels == record.labels
    assert again.runs[1].scoring_run is None


@pytest.mark.parametrize("place", ["labels/nightly-lease.json", "labels/lease.json"])
def test_a_second_concurrent_run_is_refused(place, root, log):
    (root / "videos" / "v00000.mp4").touch()
    before = contents(root)
    lease = Lease(str(root / place), "another")
    lease.acquire()
    try:
        assert run_nightly(config(root, date=SECOND)) == ExitCode.BAD_INPUT
    finally:
        lease.release()
    assert "run another (process" in log.text
    assert contents(root) == before


def test_what_does_not_go_together_is_refused_before_any_work(root, log):
    write_trained(root / "logistic", trained("logistic"))
    before = contents(root)
    of_features = str(root / "logistic")
    assert run_nightly(config(root, checkpoint=(of_features,), views=3)) == ExitCode.BAD_INPUT
    assert f"{of_features} takes features: give --features" in log.text
    assert "--views goes with a classifier of clips" in log.text
    assert run_nightly(config(root, checkpoint=(str(root / "actions"), of_features))) == ExitCode.BAD_INPUT
    assert f"all of features: of clips are {root / 'actions'}; of features {of_features}" in log.text
    assert contents(root) == before


def test_all_bad_input_is_reported_at_once_and_touches_nothing(tmp_path, log):
    bad = config(tmp_path, labels="https://example.com/labels")
    assert run_nightly(bad) == ExitCode.BAD_INPUT
    for words in ("there is no checkpoint, a folder with", "cannot be written to", "videos:"):
        assert words in log.text, words
    bad = with_features(tmp_path, labels="https://example.com/labels", weights="nowhere.pth")
    log.clear()
    assert run_nightly(bad) == ExitCode.BAD_INPUT
    for words in ("there is no checkpoint, a folder with", "cannot be written to", "nowhere.pth", "videos:"):
        assert words in log.text, words
    assert list(tmp_path.iterdir()) == []
