"""The extraction as a part of a night: what is left of it, what it did, and what it did before it died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cluster.extraction.config import ExtractionOptions
from cluster.extraction.job import planned
from cluster.extraction.plan import read_inputs
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.parts.extraction import Extraction
from schemas.nights import NightCounts
from schemas.records import Machine
from schemas.runs import RunRecord
from tests.support.nights import die_with_lease
from tests.support.videos import Clip, write_video

HERE = Machine(engine="local", nodes=1, cpus=2, gpus=0)
WEIGHTS = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")


@contextmanager
def part_of(root: Path) -> Iterator[Extraction]:
    options = ExtractionOptions.of(
        input=str(root / "videos"), output=str(root / "features"), engine="local", quiet=True, **WEIGHTS
    )
    with planned(options, read_inputs(options)) as (plan, engine):
        yield Extraction(plan, engine)


def test_new_videos_are_extracted_once(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "a.mp4", Clip(frames=30, width=96, height=48))
    (tmp_path / "videos" / "broken.mp4").write_text("no video")
    with part_of(tmp_path) as part:
        assert part.is_due()
        assert part.standing.counts == NightCounts(new=2)
        assert [video.id for video in part.videos] == ["a", "broken"]
        part.start()
        with part.lease() as lease:
            outcome = part.carry_out(lease)
        assert (outcome.status, outcome.counts) == ("completed", NightCounts(extracted=1, failed=1))
        assert (list(outcome.failed_ids), list(outcome.failures)) == (["broken"], ["broken"])
        assert outcome.failures_by_code == {"not_media": 1}
        assert outcome.cost.bytes_read == (tmp_path / "videos" / "a.mp4").stat().st_size
        assert outcome.cost.held_core_seconds >= outcome.cost.used_core_seconds > 0
        runs = DayRuns("r1", HERE, None)
        runs.begin_part("extraction", part.run_id)
        runs.add(outcome)
        assert part.tally(runs) == (1, 1)
        assert part.standing.counts == NightCounts()  # read again
        assert not part.is_due()
        assert part.outcome_of(part.run_id) == outcome
    with part_of(tmp_path) as again:
        assert not again.is_due()
        assert again.outcome_of("never recorded") is None
        record = again.plan.dataset.record_of(part.run_id, RunRecord)
        assert record is not None
        again.plan.dataset.write_record(replace(record, status="running"))
        assert again.outcome_of(part.run_id) is None  # nobody knows yet
        assert again.tally(DayRuns("r2", record.machine, None)) == (0, 0)  # another day's failure
        die_with_lease(tmp_path / "features" / "lease.json")
        assert again.is_due()
