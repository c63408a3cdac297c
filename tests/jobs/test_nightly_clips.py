"""Nights of clip and stream networks as a scheduler runs them: on Ray, killed and stopped in mid-run, over a bucket."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.storage.files import read_bytes, write_bytes
from cluster.storage.listing import list_files
from schemas.nights import NightCounts, NightRecord
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, write_clip_videos
from tests.support.dataset import RANDOM_WEIGHTS, ROOT, ids, job_environment
from tests.support.scoring import label_ids, label_rows
from tests.support.servers import gs_bucket

VIDEOS = 12
DAY, NEXT_DAY = "2026-03-01", "2026-03-02"
NAMES = [f"v{number:05d}" for number in range(VIDEOS)]


def job(
    root: Path | str, *options: str, labels: str = "labels", network: str = "actions", date: str = DAY
) -> list[str]:
    command = [
        sys.executable,
        str(ROOT / "jobs" / "nightly.py"),
        "--videos",
        f"{root}/videos",
        "--date",
        date,
        "--quiet",
    ]
    return [*command, "--checkpoint", f"{root}/{network}", "--labels", f"{root}/{labels}", *options]


def run(root: Path | str, *options: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = job(root, *options, **changes)
    return subprocess.run(command, capture_output=True, text=True, timeout=400, env=job_environment())


def night(root: Path, date: str = DAY, labels: str = "labels") -> NightRecord:
    return NightRecord.from_json((root / labels / "nights" / f"{date}.json").read_text())


def timelines(root: Path) -> dict[str, object]:
    found = [row for path in root.glob(f"date={DAY}/*.parquet") for row in pq.read_table(path).to_pylist()]
    return {row["id"]: (row["timeline"], row["events"]) for row in found}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Videos, a clip model and a stream network."""
    write_clip_videos(tmp_path / "videos", VIDEOS, frames=45, rate=10)
    write_trained(tmp_path / "actions", trained_clips())
    options = {"frames": 5, "height": 32, "width": 32}
    write_trained(tmp_path / "stream", trained_clips("movinet-a0-stream", options=options))
    return tmp_path


def test_wrong_options_are_told_at_once(tmp_path: Path) -> None:
    done = run(tmp_path, "--fps", "2", "--views", "0", "--pools", "none")
    assert done.returncode == 2
    for words in ("--fps goes with --features", "views must be at least 1"):
        assert words in done.stderr, done.stderr
    assert "--pools is one of auto, together, apart" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
def test_on_ray_a_night_labels_as_in_one_process(root: Path) -> None:
    assert run(root, "--engine", "local", labels="reference").returncode == 0
    for pools in ("together", "apart"):
        done = run(root, "--workers", "1", "--pools", pools, labels=pools)
        assert done.returncode == 0, done.stderr
        assert label_rows(root / pools) == label_rows(root / "reference")
        record = night(root, labels=pools)
        assert (record.counts, record.runs[0].machine.engine) == (NightCounts(new=VIDEOS, labelled=VIDEOS), "ray")


@pytest.mark.heavy
def test_on_ray_timelines_are_those_of_one_process(root: Path) -> None:
    options = ("--timeline", "--event-threshold", "0.2")
    assert run(root, "--engine", "local", *options, labels="reference", network="stream").returncode == 0
    done = run(root, *options, network="stream")
    assert done.returncode == 0, done.stderr
    assert timelines(root / "labels") == timelines(root / "reference")
    assert len(timelines(root / "labels")) == VIDEOS
    mine, reference = night(root).labels, night(root, labels="reference").labels
    assert mine is not None
    assert mine == reference
    assert len(mine.timelines) == VIDEOS


@pytest.mark.heavy
def test_one_engine_extracts_and_labels(root: Path) -> None:
    features = ("--features", f"{root}/features", *RANDOM_WEIGHTS)
    done = run(root, "--workers", "2", *features)
    assert done.returncode == 0, done.stderr
    assert ids(root / "features") == label_ids(root / "labels", DAY) == NAMES
    record = night(root)
    assert record.counts == NightCounts(new=VIDEOS, extracted=VIDEOS, labelled=VIDEOS)
    assert {run.machine.engine for run in record.runs} == {"ray"}


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ["local", "ray"])
@pytest.mark.parametrize("network", ["actions", "stream"])
def test_nights_that_are_killed_are_made_up(engine: str, network: str, root: Path) -> None:
    options = ["--engine", engine, *(["--timeline"] if network == "stream" else [])]
    moments = random.Random(5)
    days = [f"2026-03-{day:02d}" for day in range(1, 7)]
    killed = []
    for day in days:
        before = set(root.rglob("*"))
        process = subprocess.Popen(job(root, *options, network=network, date=day), env=job_environment())
        steps = moments.randrange(1, 8)  # files that it may write
        while process.poll() is None and len(set(root.rglob("*")) - before) < steps:
            time.sleep(0.02)
        time.sleep(moments.uniform(0.0, 0.5))
        process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
        if (root / "labels" / "nights" / f"{day}.json").exists() and night(root, day).status == "completed":
            break
        killed.append(day)
    assert killed
    last = "2026-03-20"
    done = run(root, *options, network=network, date=last)
    assert done.returncode == 0, done.stderr
    assert sorted(name for day in [*days, last] for name in label_ids(root / "labels", day)) == NAMES
    days = sorted(path.stem for path in (root / "labels" / "nights").glob("*.json"))
    assert days[-1] == last
    for day in days:
        assert night(root, day).status == ("died" if day in killed else "completed")
    assert not [path for path in root.rglob("*") if path.name.endswith("lease.json") or path.name.startswith(".")]


@pytest.mark.heavy
def test_a_night_that_is_killed_in_the_midst_of_it_counts_what_it_labelled(root: Path) -> None:
    """Portions are committed as they are full; here each video is one, as if there were a thousand times as many."""
    small = ROOT / "tests" / "support" / "small_portions.py"
    command = [sys.executable, str(small), *job(root, "--engine", "local")[1:]]
    process = subprocess.Popen(command, env=job_environment())
    while process.poll() is None and len(list(root.glob("labels/date=*/*.parquet"))) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = label_ids(root / "labels", DAY)
    assert 3 <= len(before) < VIDEOS
    assert run(root, "--engine", "local").returncode == 0
    record = night(root)
    assert [run.status for run in record.runs] == ["died", "completed"]
    assert [run.counts.labelled for run in record.runs] == [len(before), VIDEOS - len(before)]
    assert record.counts == NightCounts(new=VIDEOS - len(before), labelled=VIDEOS)


@pytest.mark.heavy
def test_a_night_that_is_stopped_says_so_and_is_gone_on_with(root: Path) -> None:
    process = subprocess.Popen(job(root, "--engine", "local", "--views", "8"), env=job_environment())
    record = root / "labels" / "nights" / f"{DAY}.json"
    while process.poll() is None and not record.exists():
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert night(root).status == "interrupted"
    assert run(root, "--views", "8").returncode == 0
    assert [one.status for one in night(root).runs] == ["interrupted", "completed"]
    assert night(root).counts == NightCounts(new=VIDEOS, labelled=VIDEOS)
    assert label_ids(root / "labels", DAY) == NAMES


@pytest.mark.heavy
def test_over_a_bucket(root: Path) -> None:
    with gs_bucket() as bucket:
        for folder in ("videos", "stream"):
            for path in sorted((root / folder).iterdir())[:4]:
                write_bytes(f"{bucket}/{folder}/{path.name}", path.read_bytes())
        done = run(bucket, "--timeline", network="stream")
        assert done.returncode == 0, done.stderr
        record = NightRecord.from_json(read_bytes(f"{bucket}/labels/nights/{DAY}.json").decode())
        assert (record.status, record.counts) == ("completed", NightCounts(new=4, labelled=4))
        page = read_bytes(f"{bucket}/labels/report.html").decode()
        assert page.count('<figure class="timeline">') == 4
        assert str(root) not in page

        def stored() -> list[object]:
            return [file for file in list_files(bucket) if not file.uri.endswith("lease.json")]

        before = stored()
        assert run(bucket, "--timeline", network="stream").returncode == 0
        assert stored() == before
        write_bytes(f"{bucket}/videos/new.mp4", (root / "videos" / "v00007.mp4").read_bytes())
        assert run(bucket, "--timeline", network="stream", date=NEXT_DAY).returncode == 0
        record = NightRecord.from_json(read_bytes(f"{bucket}/labels/nights/{NEXT_DAY}.json").decode())
        assert record.counts == NightCounts(new=1, labelled=1)
