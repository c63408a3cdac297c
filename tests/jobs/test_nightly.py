"""The job as a scheduler runs it: on Ray, over a bucket, killed and stopped in mid-run."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster.extraction.job import planned
from cluster.extraction.plan import read_inputs
from cluster.nightly.config import NightlyOptions
from cluster.storage.buckets import StoredFile
from cluster.storage.files import read_bytes, write_bytes
from cluster.storage.listing import list_files
from schemas.nights import NightRecord
from tests.support.checkpoints import trained, write_trained
from tests.support.dataset import RANDOM_WEIGHTS, ROOT, ids, job_environment
from tests.support.pages import Page
from tests.support.scoring import label_ids
from tests.support.servers import gs_bucket
from tests.support.videos import Clip, write_video

VIDEOS = 12
DAY, NEXT_DAY = "2026-03-01", "2026-03-02"


def job(root: Path | str, *options: str, date: str = DAY) -> list[str]:
    places = [word for name in ("videos", "features", "labels") for word in (f"--{name}", f"{root}/{name}")]
    command = [sys.executable, str(ROOT / "jobs" / "nightly.py"), *places, "--checkpoint", f"{root}/classifier"]
    return [*command, *RANDOM_WEIGHTS, "--date", date, "--quiet", *options]


def run(root: Path | str, *options: str, date: str = DAY) -> subprocess.CompletedProcess[str]:
    command = job(root, *options, date=date)
    return subprocess.run(command, capture_output=True, text=True, timeout=400, env=job_environment())


def night(root: Path, date: str = DAY) -> NightRecord:
    return NightRecord.from_json((root / "labels" / "nights" / f"{date}.json").read_text())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Videos, and a classifier for their features."""
    (tmp_path / "videos").mkdir()
    for number in range(VIDEOS):
        write_video(
            tmp_path / "videos" / f"{number:02d}.mp4", Clip(frames=200 + 40 * (number % 3), rate=16, sound="aac")
        )
    values = dict(zip(("weights", "pca", "audio_weights", "audio_pca"), RANDOM_WEIGHTS[1::2], strict=True))
    places = {name: str(tmp_path / name) for name in ("videos", "features", "labels")}
    extraction = NightlyOptions.of(**places, checkpoint=("none",), engine="local", **values).extraction()
    with planned(extraction, read_inputs(extraction)) as (plan, _):
        checkpoint = trained("logistic", classes=3, rgb_dim=1024, fingerprint=plan.fingerprint)
    write_trained(tmp_path / "classifier", checkpoint)
    return tmp_path


def test_wrong_options_are_told_at_once(tmp_path: Path) -> None:
    done = run(tmp_path, "--top-k", "0", "--engine", "beam", "--sure-form", "1", date="today")
    assert done.returncode == 2
    for words in (
        "did you mean --sure-from?",
        "--engine is one of ray, local",
        "top-k must be at least 1",
        "date must be",
    ):
        assert words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_nights_that_are_killed_are_made_up(engine: str, root: Path) -> None:
    moments = random.Random(5)
    days = [f"2026-03-{day:02d}" for day in range(1, 9)]
    killed = []
    for day in days:
        before = set(root.rglob("*"))
        process = subprocess.Popen(job(root, "--engine", engine, date=day), env=job_environment())
        steps = moments.randrange(1, 12)  # files that it may write
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
    done = run(root, "--engine", engine, date=last)
    assert done.returncode == 0, done.stderr
    names = [f"{number:02d}" for number in range(VIDEOS)]
    assert ids(root / "features") == names
    assert sorted(name for day in [*days, last] for name in label_ids(root / "labels", day)) == names
    days = sorted(path.stem for path in (root / "labels" / "nights").glob("*.json"))
    assert days[-1] == last
    for day in days:
        assert night(root, day).status == ("died" if day in killed else "completed")
    assert not [path for path in root.rglob("*") if path.name.endswith("lease.json") or path.name.startswith(".")]


@pytest.mark.heavy
def test_a_night_that_is_stopped_says_so_and_is_gone_on_with(root: Path) -> None:
    process = subprocess.Popen(job(root, "--engine", "local"), env=job_environment())
    record = root / "labels" / "nights" / f"{DAY}.json"
    while process.poll() is None and not record.exists():
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert night(root).status == "interrupted"
    assert run(root).returncode == 0
    assert [one.status for one in night(root).runs] == ["interrupted", "completed"]
    assert len(label_ids(root / "labels", DAY)) == VIDEOS


def without_leases(bucket: str) -> list[StoredFile]:
    """All objects but the leases, which stay in a bucket once they are released."""
    return [file for file in list_files(bucket) if not file.uri.endswith("lease.json")]


@pytest.mark.heavy
def test_over_a_bucket(root: Path) -> None:
    with gs_bucket() as bucket:
        for folder in ("videos", "classifier"):
            for path in sorted((root / folder).iterdir())[:4]:
                write_bytes(f"{bucket}/{folder}/{path.name}", path.read_bytes())
        done = run(bucket)
        assert done.returncode == 0, done.stderr
        record = NightRecord.from_json(read_bytes(f"{bucket}/labels/nights/{DAY}.json").decode())
        assert (record.status, record.counts.labelled) == ("completed", 4)
        page = read_bytes(f"{bucket}/labels/report.html").decode()
        assert page.count("<img") == 4
        assert str(root) not in page
        hrefs = Page(page).hrefs
        assert f"../features/runs/{record.runs[0].extraction_run}.html" in hrefs
        assert sum(href.startswith("https://storage.cloud.google.com/bucket/videos/") for href in hrefs) == 4
        before = without_leases(bucket)
        assert run(bucket).returncode == 0
        assert without_leases(bucket) == before
        write_bytes(f"{bucket}/videos/new.mp4", (root / "videos" / "05.mp4").read_bytes())
        assert run(bucket, date=NEXT_DAY).returncode == 0
        record = NightRecord.from_json(read_bytes(f"{bucket}/labels/nights/{NEXT_DAY}.json").decode())
        assert (record.counts.new, record.counts.changed, record.counts.labelled) == (1, 0, 1)
