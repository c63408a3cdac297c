"""Nights with timelines: label shards, the record and the page have what was seen when."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from classifiers.inference.clip_classifier import clip_model_of
from classifiers.weights.published_frames import CLASSES, read_published_frames
from cluster.clips.thumbnails import thumbnails_of
from cluster.extraction.job import planned
from cluster.extraction.plan import read_inputs
from cluster.nightly.config import NightlyOptions
from cluster.nightly.job import run_nightly
from cluster.nightly.records import NightRecords
from cluster.runs.lifecycle import ExitCode
from schemas.nights import NightCounts, NightRecord
from schemas.sampled_timelines import NOTHING
from schemas.videos import Video
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips, write_clip_videos
from tests.support.folders import contents
from tests.support.npm_package import write_package
from tests.support.pages import assert_accessible, assert_self_contained
from tests.support.talking import write_frames
from tests.support.videos import Clip, write_video

STREAM = {"frames": 5, "height": 32, "width": 32}
LONG = {"frames": 35, "rate": 10}  # 3.5 s: steps at 0, 1, 2 and 3 s
FIRST, SECOND = "2026-03-01", "2026-03-02"


def config(root: Path, **changes: Any) -> NightlyOptions:
    values = {name: str(root / name) for name in ("videos", "labels")}
    values |= {"checkpoint": (str(root / "stream"),), "date": FIRST, "engine": "local", "quiet": True}
    values |= {"timeline": True, "event_threshold": 0.2, "events_csv": str(root / "events.csv")}
    return NightlyOptions.of(**{**values, **changes})


def night(root: Path, date: str = FIRST) -> NightRecord:
    found = NightRecords(str(root / "labels")).read(date)
    assert found is not None
    return found


def rows(root: Path, date: str = FIRST) -> dict[str, Any]:
    found = (row for path in (root / "labels").glob(f"date={date}/*") for row in pq.read_table(path).to_pylist())
    return {row["id"]: row for row in found}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos and a broken one, and a stream network."""
    root = tmp_path_factory.mktemp("stream")
    write_clip_videos(root / "videos", 2, **LONG)
    (root / "videos" / "broken.mp4").write_text("no video")
    write_trained(root / "stream", trained_clips("movinet-a0-stream", options=STREAM))
    write_trained(root / "clips", trained_clips())
    return root


def test_a_clip_model_needs_a_stride_and_nothing_is_touched(root: Path, caplog) -> None:
    before = contents(root)
    assert run_nightly(config(root, checkpoint=(str(root / "clips"),))) == ExitCode.BAD_INPUT
    assert "is no stream network, it looks at clips: give --stride" in caplog.text
    assert run_nightly(config(root, stride=1.0)) == ExitCode.BAD_INPUT
    assert "--stride goes with clip models that look at one clip" in caplog.text
    assert contents(root) == before


def test_a_stream_network_tells_what_it_sees_when(root: Path) -> None:
    assert run_nightly(config(root, max_failure_ratio=0.5)) == ExitCode.DONE
    record = night(root)
    assert record.counts == NightCounts(new=3, failed=1, labelled=2)
    assert record.labels is not None
    found = rows(root)
    for timeline in record.labels.timelines:
        row = found[timeline.id]
        assert (timeline.cell_seconds, timeline.seconds, len(timeline.places)) == (1.0, 4.0, 4)
        tops = [
            step
            for step in row["timeline"]
            if step["score"] == max(other["score"] for other in row["timeline"] if other["seconds"] == step["seconds"])
        ]
        drawn = [
            (timeline.classes[place].index, score)
            for place, score in zip(timeline.places, timeline.scores, strict=True)
        ]
        assert [(step["index"], pytest.approx(step["score"], abs=1e-3)) for step in tops] == drawn
        assert len(timeline.events) + timeline.more_events == len(row["events"]) > 0
    assert {one.id for one in record.labels.timelines} == set(found) == {"v00000", "v00001"}
    assert (root / "events.csv").read_text().count("\n") > 2
    page = assert_self_contained((root / "labels" / "report.html").read_text())
    assert_accessible(page)
    assert "timelines" in page.headings
    drawn_of = [attributes["aria-label"] or "" for tag, attributes in page.tags if tag == "svg"]
    assert sum(label.startswith("Timeline of v0000") for label in drawn_of) == 2
    assert sum(tag == "img" and attributes["alt"] == "Frame of v00000" for tag, attributes in page.tags) > 1


def test_the_next_night_labels_what_is_new_and_running_it_again_touches_no_file(root: Path) -> None:
    write_video(root / "videos" / "new.mp4", Clip(**{**LONG, "width": 96, "height": 64}))
    changes = {"date": SECOND, "without_pictures": True}
    assert run_nightly(config(root, **changes)) == ExitCode.DONE
    record = night(root, SECOND)
    assert record.counts == NightCounts(new=1, labelled=1)
    assert record.labels is not None
    assert [one.id for one in record.labels.timelines] == ["new"]
    before = contents(root)
    assert run_nightly(config(root, **changes)) == ExitCode.DONE
    assert contents(root) == before


@pytest.mark.heavy
def test_other_events_are_other_labels(root: Path) -> None:
    places = {"labels": str(root / "other"), "events_csv": None, "without_pictures": True, "max_failure_ratio": 0.5}
    assert run_nightly(config(root, **places)) == ExitCode.DONE
    videos = {path.stem for path in (root / "videos").iterdir()} - {"broken"}
    assert run_nightly(config(root, **places, date=SECOND, event_threshold=0.9)) == ExitCode.DONE
    record = NightRecords(str(root / "other")).read(SECOND)
    assert record is not None
    assert record.counts == NightCounts(retried=1, failed=1, labelled=len(videos))


@pytest.mark.heavy
def test_a_clip_model_looks_at_a_clip_for_each_step(root: Path) -> None:
    places = {"labels": str(root / "of-clips"), "checkpoint": (str(root / "clips"),)}
    given = config(root, **places, stride=0.5, max_failure_ratio=0.5, without_pictures=True, events_csv=None)
    assert run_nightly(given) == ExitCode.DONE
    record = NightRecords(str(root / "of-clips")).read(FIRST)
    assert record is not None
    assert record.labels is not None
    assert record.labels.timelines
    for timeline in record.labels.timelines:
        assert (timeline.cell_seconds, timeline.seconds) == (0.5, 3.5)
        assert NOTHING not in timeline.places


@pytest.mark.heavy
def test_features_have_timelines_too(root: Path) -> None:
    """A classifier of features, with the features of every second."""
    weights = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
    places = {"labels": str(root / "of-features"), "features": str(root / "features")}
    given = config(root, **places, **weights, frame_features=True, max_failure_ratio=0.5, events_csv=None)
    with planned(given.extraction(), read_inputs(given.extraction())) as (plan, _):
        checkpoint = trained("logistic", classes=3, rgb_dim=1024, fingerprint=plan.fingerprint)
    write_trained(root / "logistic", checkpoint)
    given = given.with_values(checkpoint=(str(root / "logistic"),))
    assert run_nightly(given) == ExitCode.DONE
    record = NightRecords(str(root / "of-features")).read(FIRST)
    assert record is not None
    assert record.labels is not None
    assert len(record.labels.timelines) == record.counts.labelled > 1
    assert all((one.cell_seconds, one.seconds) == (1.0, 4.0) for one in record.labels.timelines if one.id != "new")
    page = assert_self_contained((root / "of-features" / "report.html").read_text())
    assert "timelines" in page.headings


def test_a_night_that_looks_for_sensitive_scenes_shows_blurred_pictures(root: Path, tmp_path: Path) -> None:
    place = {"labels": str(tmp_path / "labels"), "features": str(tmp_path / "features"), "events_csv": None}
    random = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
    classes = {"sensitive": True, "sensitive_class": ("Class 1", "Class 3"), "max_failure_ratio": 0.5}
    assert run_nightly(config(root, **place, **random, **classes)) == ExitCode.DONE
    record = night(tmp_path)
    assert record.labels is not None
    assert {one.name for one in record.labels.classes} <= {"harmless", "sensitive"}
    assert sum(one.first for one in record.labels.classes) == record.counts.labelled >= 2
    for row in rows(tmp_path).values():
        assert {event["name"] for event in row["events"]} <= {"sensitive"}
        assert row["labels"][0]["name"] == ("sensitive" if row["events"] else "harmless")
    page = (tmp_path / "labels" / "report.html").read_text()
    assert "This night looked for sensitive scenes: pictures are blurred." in page
    pictures = {base64.b64decode(found) for found in re.findall('data:image/jpeg;base64,([^"]+)', page)}
    videos = [Video(path.stem, str(path)) for path in sorted((root / "videos").glob("*.mp4"))]
    moments = {name: middle_of_scene(row) for name, row in rows(tmp_path).items() if row["events"]}
    assert pictures == {found.jpeg for found in thumbnails_of(videos, is_blurred=True, at_seconds=moments).values()}
    assert len(list((tmp_path / "features" / "runs").glob("*.html"))) == 1  # which the page links to
    for path in (tmp_path / "features" / "runs").iterdir():
        assert "/9j/" not in path.read_text(), path  # as any JPEG begins in base64


def middle_of_scene(row: dict[str, Any]) -> float:
    """The middle of the strongest second of the strongest event."""
    event = max(row["events"], key=lambda one: one["score"])
    inside = [one for one in row["timeline"] if event["start"] <= one["seconds"] < event["end"]]
    strongest = max((one for one in inside if one["index"] == event["index"]), key=lambda one: one["score"])
    return float(strongest["seconds"] + 0.5)


def test_the_picture_of_a_sensitive_video_is_of_its_scene(tmp_path: Path) -> None:
    rest, scene = (20, 40, 200), (220, 60, 40)
    frames = {name: np.full((64, 96, 3), colour, np.uint8) for name, colour in (("rest", rest), ("scene", scene))}
    order = ["rest"] * 7 + ["scene"] * 3 + ["rest"] * 2  # seconds; a third of them is before the scene
    write_frames(tmp_path / "videos" / "scene.mp4", [frames[name] for name in order for _ in range(5)], 5, "libx264")
    write_frames(tmp_path / "videos" / "rest.mp4", [frames["rest"]] * 60, 5, "libx264")
    package = write_package(tmp_path / "small.tgz")
    network = clip_model_of(read_published_frames(str(package))).eval()
    with torch.no_grad():
        pictures = torch.tensor([rest, scene], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 299, 299, 3)
        chances = network(pictures).softmax(1)  # (2, K) of the rest and of the scene
    place = int((chances[1] - chances[0]).argmax())
    options = {"checkpoint": (str(package),), "stride": 1.0, "sensitive": True, "sensitive_class": (CLASSES[place],)}
    threshold = float(chances[:, place].mean())
    events = {"event_threshold": threshold, "event_end_threshold": threshold, "events_csv": None}
    assert run_nightly(config(tmp_path, **options, **events)) == ExitCode.DONE
    found = rows(tmp_path)
    assert {name: row["labels"][0]["name"] for name, row in found.items()} == {"scene": "sensitive", "rest": "harmless"}
    assert [(event["start"], event["end"]) for event in found["scene"]["events"]] == [(7, 10)]
    page = (tmp_path / "labels" / "report.html").read_text()
    shown = re.findall(r'data:image/jpeg;base64,([^"]+)" alt="Frame of (\w+)"', page)
    assert {name for _, name in shown} == {"scene", "rest"}
    for jpeg, name in shown:
        with av.open(io.BytesIO(base64.b64decode(jpeg))) as container:
            mean = next(container.decode(video=0)).to_ndarray(format="rgb24").mean((0, 1))
        np.testing.assert_allclose(mean, scene if name == "scene" else rest, atol=12)
