"""Sensitive scenes from videos to labels: by a published network, and by checkpoints that were trained here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from cluster.scoring.config import ScoringOptions
from cluster.scoring.job import score_videos
from schemas.errors import InputError
from schemas.scorings import ScoringRecord
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, write_clip_videos
from tests.support.npm_package import write_package
from tests.support.scoring import DAY

SENSITIVE = ("hentai", "porn", "sexy")
PLACES = (1, 3, 4)


@pytest.fixture(autouse=True)
def threads() -> Any:
    """A network takes one core for itself; what comes after gets back its own."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_clip_videos(folder, 3)
    return folder


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_package(tmp_path_factory.mktemp("package") / "small.tgz")


def score(videos: Path, labels: Path, **options: Any) -> ScoringRecord:
    given = {"date": DAY, "engine": "local", "quiet": True, "precision": "fp32", **options}
    return score_videos(ScoringOptions.of(videos=str(videos), labels=str(labels), **given).settings())


def rows_of(labels: Path) -> list[dict[str, Any]]:
    """All rows of the day, with their timelines."""
    return [row for path in sorted(labels.glob(f"date={DAY}/*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_a_published_network_gives_scores_events_and_a_label(videos: Path, package: Path, tmp_path: Path) -> None:
    plain, labels = tmp_path / "plain", tmp_path / "labels"
    checkpoint = (str(package),)
    score(videos, plain, checkpoint=checkpoint, timeline=True, stride=0.5)
    record = score(videos, labels, checkpoint=checkpoint, sensitive=True, stride=0.5, event_min_seconds=0.0)
    assert json.loads(record.label_fingerprint["timeline.sensitive"]) == list(SENSITIVE)
    assert record.label_fingerprint["timeline.event_threshold"] == "0.5"
    assert record.counts.scored == 3
    expected = {row["id"]: steps_of(row) for row in rows_of(plain)}
    for row in rows_of(labels):
        steps = steps_of(row)
        assert [seconds for seconds, _ in steps] == [seconds for seconds, _ in expected[row["id"]]]
        shares = [scores[1] for _, scores in steps]
        sums = [sum(scores.get(place, 0.0) for place in PLACES) for _, scores in expected[row["id"]]]
        assert shares == pytest.approx(sums, abs=1e-5)
        assert {event["name"] for event in row["events"]} <= {"sensitive"}
        (label,) = row["labels"]
        assert label["name"] == ("sensitive" if max(shares) >= 0.5 else "harmless")
        best = max((event["score"] for event in row["events"]), default=1 - max(shares))
        assert label["score"] == pytest.approx(best, abs=1e-5)
    assert (
        score(videos, labels, checkpoint=checkpoint, sensitive=True, stride=0.5, event_min_seconds=0.0).counts.scored
        == 0
    )
    other = {"sensitive_class": ("neutral",), "stride": 0.5, "event_min_seconds": 0.0}
    again = score(videos, labels, checkpoint=checkpoint, sensitive=True, **other)
    assert (again.counts.scored, again.counts.replaced) == (3, 3)  # another rule, other labels


def steps_of(row: dict[str, Any]) -> list[tuple[float, dict[int, float]]]:
    """The scores of each step by class."""
    steps: dict[float, dict[int, float]] = {}
    for entry in row["timeline"]:
        steps.setdefault(entry["seconds"], {})[entry["index"]] = entry["score"]
    return list(steps.items())


def test_a_checkpoint_of_two_classes_goes_the_same_way(videos: Path, tmp_path: Path) -> None:
    checkpoint = (str(write_trained(tmp_path / "checkpoint", trained_clips(classes=2))),)
    options: dict[str, Any] = {"checkpoint": checkpoint, "sensitive": True, "stride": 0.5}
    with pytest.raises(InputError, match=r"give --sensitive-class: .* count \(Class 0, Class 1\)"):
        score(videos, tmp_path / "labels", **options)
    record = score(videos, tmp_path / "labels", sensitive_class=("Class 1",), event_threshold=0.1, **options)
    assert record.counts.scored == 3
    assert set(record.first_labels) <= {"sensitive", "harmless"}
    assert {name for row in rows_of(tmp_path / "labels") for name in (row["labels"][0]["name"],)} == set(
        record.first_labels
    )


def test_what_sensitive_stands_for_is_in_the_options() -> None:
    options = ScoringOptions.of(videos="v", labels="l", sensitive=True)
    timelines = options.timelines
    assert options.checkpoint == ("inception-nsfw",)
    assert (timelines.timeline, timelines.stride, timelines.event_min_seconds) == (True, 1.0, 2.0)
    assert timelines.sensitive_class == SENSITIVE
    given = ScoringOptions.of(videos="v", labels="l", sensitive=True, stride=0.5, sensitive_class=("porn",))
    assert (given.timelines.stride, given.timelines.sensitive_class) == (0.5, ("porn",))
    own = ScoringOptions.of(videos="v", labels="l", sensitive=True, checkpoint=("mine",))
    assert (own.timelines.timeline, own.timelines.stride, own.timelines.sensitive_class) == (True, None, None)
    with pytest.raises(InputError, match="--sensitive goes with --timeline"):
        ScoringOptions.of(videos="v", labels="l", sensitive=True, timeline=False)
    with pytest.raises(InputError, match="--sensitive-class goes with --sensitive"):
        ScoringOptions.of(videos="v", labels="l", checkpoint=("mine",), sensitive_class=("a",))
