"""Labels of videos as a part of a night: what is left, what failed, and what is new to everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.engines.local import LocalEngine
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.video_labels import VideoLabels
from cluster.scoring.clip_plan import read_clip_inputs
from cluster.scoring.config import ScoringOptions
from schemas.nights import NightCounts
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, write_clip_videos
from tests.support.nights import die_with_lease
from tests.support.scoring import DAY, label_ids


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("night")
    write_clip_videos(root / "videos", 2)
    (root / "videos" / "broken.mp4").write_text("no video")
    write_trained(root / "first", trained_clips())
    write_trained(root / "second", trained_clips(seed=1))
    return root


def part_of(root: Path, checkpoint: str = "first", **options: Any) -> VideoLabels:
    values = {"checkpoint": (str(root / checkpoint),), "videos": str(root / "videos"), "labels": str(root / "labels")}
    given = ScoringOptions.of(**values, date=DAY, only_new=True, engine="local", quiet=True, **options)
    return VideoLabels(read_clip_inputs(given.settings()), LocalEngine())


def test_videos_are_labelled_once_by_each_model(root: Path) -> None:
    part = part_of(root)
    assert part.is_due()
    assert part.standing.counts == NightCounts(new=3)
    assert part.fingerprint["clips.model"] == part.classifier.config.model
    first = part.run_id
    part.start()
    assert part.run_id != first  # it starts now
    with part.lease() as lease:
        outcome = part.carry_out(lease)
    assert (outcome.status, outcome.counts) == ("completed", NightCounts(labelled=2, failed=1))
    assert (list(outcome.failed_ids), outcome.failures_by_code) == (["broken"], {"not_media": 1})
    assert (outcome.failures["broken"].stage, outcome.failures["broken"].attempts) == ("read", 1)
    assert outcome.cost.used_core_seconds > 0
    assert label_ids(root / "labels") == ["v00000", "v00001"]
    assert part.outcome_of(part.run_id) == outcome
    runs = DayRuns("r1", LocalEngine().machine(), None)
    runs.begin_part("scoring", part.run_id)
    runs.add(outcome)
    assert part.tally(runs) == (1, 2)
    assert not part.is_due()
    again = part_of(root, retry_failed=("not_media",))
    assert again.standing.counts == NightCounts(retried=1)
    assert again.outcome_of("never recorded") is None
    assert again.tally(DayRuns("r2", LocalEngine().machine(), None)) == (0, 0)  # another day's failure
    again = part_of(root)
    assert not again.is_due()
    die_with_lease(root / "labels" / "lease.json")
    assert again.is_due()
    other = part_of(root, "second")
    assert len(other.standing.increment.pending) == 3
    assert other.standing.counts == NightCounts(retried=1)  # what the first has labelled is not new
