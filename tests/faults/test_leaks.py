"""Secrets in a manifest, and in what servers say, through the jobs: none reaches a file, a page or a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cluster.extraction.job import planned
from cluster.extraction.plan import read_inputs
from cluster.nightly.config import NightlyOptions
from tests.support.checkpoints import trained, write_trained
from tests.support.dataset import RANDOM_WEIGHTS, ROOT, ids, job_environment, rows
from tests.support.hostile_server import hostile_server
from tests.support.servers import http_files
from tests.support.videos import Clip, write_video

SECRET = "QXZJ"  # part of every secret, and of nothing else
DAY = "2026-03-01"
HOSTILE_ID = "first\nrun done: 0 failed\x1b[2J"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A server of videos."""
    folder = tmp_path / "web"
    folder.mkdir()
    write_video(folder / "v.mp4", Clip(frames=30, width=96, height=48, sound="aac"))
    (folder / "it's my talk.mp4").write_bytes((folder / "v.mp4").read_bytes())
    (folder / "text.mp4").write_text("not a video\n" * 50)
    with http_files(folder) as url:
        yield url


def manifest(web: str, hostile: str) -> str:
    """Videos by URIs with secrets; four of them can be read."""
    host = web.removeprefix("http://")
    uris = {
        HOSTILE_ID: f"http://user:{SECRET}a@{host}/v.mp4?x={SECRET}b",
        "=fragment": f"{web}/v.mp4#access_token={SECRET}c",
        "apostrophe": f"{web}/it's my talk.mp4?anything=a {SECRET}d",
        "whole": f"{web}/whole/v.mp4?X-Amz-Signature={SECRET}e",
        "missing": f"{web}/none.mp4?foo={SECRET}f",
        "denied": f"http://{SECRET}g@{host}/status/403/v.mp4",
        "password": f"http://user:a/{SECRET}h@{host}/v.mp4",
        "text": f"{web}/text.mp4?client_secret={SECRET}i's",
        "loop": f"{hostile}/loop/v.mp4?token={SECRET}j",
        "elsewhere": f"{hostile}/to/ftp%3A%2F%2Fuser%3A{SECRET}k%40host%2Fv?key={SECRET}l",
        "scheme": f"ftp://user:{SECRET}m@host/v.mp4",
    }
    lines = [f'"{name}","{uri}","=1+1"' for name, uri in uris.items()]
    # One without an id, which its URI names.
    return "\n".join(["id,uri,labels", *lines, f'"","{web}/none.mkv?sig={SECRET}n",""']) + "\n"


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """What every file holds, that of compressed tables included."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            yield path, f"{table.to_pylist()} {table.schema.metadata}"


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.heavy)])
def test_no_secret_of_a_manifest_leaves_the_jobs(engine: str, web: str, tmp_path: Path) -> None:
    root = tmp_path / "out"
    with hostile_server() as hostile:
        (tmp_path / "web" / "m.csv").write_text(manifest(web, hostile.url))
        source = f"{web}/m.csv?token={SECRET}o"
        values = dict(zip(("weights", "pca", "audio_weights", "audio_pca"), RANDOM_WEIGHTS[1::2], strict=True))
        places = {"videos": source, "features": str(root / "features"), "labels": str(root / "labels")}
        extraction = NightlyOptions.of(**places, checkpoint=("none",), engine="local", **values).extraction()
        with planned(extraction, read_inputs(extraction)) as (plan, _):
            checkpoint = trained("logistic", classes=3, rgb_dim=1024, fingerprint=plan.fingerprint)
        write_trained(root / "classifier", checkpoint)
        options = [word for name, place in places.items() for word in (f"--{name}", place)]
        command = [
            sys.executable,
            str(ROOT / "jobs" / "nightly.py"),
            *options,
            "--checkpoint",
            str(root / "classifier"),
        ]
        done = subprocess.run(
            [*command, *RANDOM_WEIGHTS, "--date", DAY, "--engine", engine, "--workers", "1"],
            capture_output=True,
            text=True,
            env=job_environment(),
        )
    assert done.returncode == 3, done.stderr  # too many failures
    assert ids(root / "features") == ["=fragment", "apostrophe", HOSTILE_ID, "whole"]
    failed = {row["id"]: row["code"] for row in rows(root / "features", "failures")}
    unreachable = ("missing", "password", "loop", "elsewhere", "scheme", f"{web}/none")
    assert failed == {"denied": "no_permission", "text": "not_media", **dict.fromkeys(unreachable, "missing")}
    written = dict(texts(root))
    leaks = [str(path) for path, text in written.items() if SECRET in text]
    assert not leaks
    assert {path.suffix for path in written} >= {".parquet", ".json", ".html", ".toml", ".csv"}
    assert SECRET not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert not any(line.startswith("run done") for line in done.stderr.splitlines())
    assert "'=1+1" in (root / "features" / "vocabulary.csv").read_text()
