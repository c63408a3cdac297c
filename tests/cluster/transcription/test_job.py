"""Transcription with the local engine: rows, failures, what a second run does, and subtitles."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.engines import deferred
from cluster.runs.lifecycle import ExitCode
from cluster.transcription.config import TranscriptionOptions
from cluster.transcription.job import run_transcription, transcribe
from tests.support.engines import refuse_engine
from tests.support.lips import fixed_lips, signing, write_lips
from tests.support.nights import die_with_lease
from tests.support.talking import write_frames
from tests.support.transcripts import failure_codes, transcripts

ENGINE = {"engine": "local", "quiet": True, "max_failure_ratio": 1.0}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lip reader and two videos, one that shows no mouth, and an empty file."""
    folder = tmp_path_factory.mktemp("inputs")
    write_lips(folder / "reader", fixed_lips(seed=1))
    for name, text in (("a", "ab"), ("b", "ba a")):
        write_frames(folder / "videos" / f"{name}.mp4", signing(text))
    write_frames(folder / "videos" / "grey.mp4", [np.full((288, 360, 3), 100, np.uint8)] * 2)
    (folder / "videos" / "empty.mp4").touch()
    return folder


@pytest.fixture
def videos(inputs: Path, tmp_path: Path) -> Path:
    return shutil.copytree(inputs / "videos", tmp_path / "videos")


def options(inputs: Path, videos: Path, output: Path, **given: Any) -> TranscriptionOptions:
    return TranscriptionOptions.of(
        checkpoint=str(inputs / "reader"),
        input=str(videos),
        output=str(output),
        **{"window": 10, "overlap": 4, **ENGINE, **given},
    )


def test_a_run_its_repetition_and_what_changes_later(
    inputs: Path, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, subtitles = tmp_path / "out", tmp_path / "subtitles"
    record = transcribe(options(inputs, videos, output, vtt=str(subtitles), rows_per_shard=1))
    rows = transcripts(output)
    assert [row["id"] for row in rows] == ["a", "b"]
    assert [row["coverage"] for row in rows] == [1.0, 1.0]
    assert all(row["words"] for row in rows)
    assert [row["text"].split() for row in rows] == [[word["word"] for word in row["words"]] for row in rows]
    assert failure_codes(output) == {"grey": "no_face", "empty": "empty"}
    counts = record.counts
    assert (record.status, counts.transcribed, counts.failed, counts.unaccounted) == ("completed", 2, 2, 0)
    assert (counts.frames, counts.shards, counts.words) == (30, 2, sum(len(row["words"]) for row in rows))
    assert {path.name for path in subtitles.iterdir()} == {"a.vtt", "b.vtt", "index.csv"}
    assert not (output / "staging").exists()
    page = (output / "runs" / f"{record.run_id}.html").read_text()
    assert page.count('<img src="data:image/webp;base64,') == 2

    with monkeypatch.context() as patched:
        patched.setattr(deferred, "make_engine", refuse_engine)
        again = transcribe(options(inputs, videos, output, srt=str(subtitles / "srt")))
    assert (again.counts.already_done, again.counts.failed_before, again.counts.transcribed) == (2, 2, 0)
    assert (subtitles / "srt" / "a.srt").exists()

    killed = replace(record, run_id="r0", status="running")
    (output / "runs" / "r0.json").write_text(killed.to_json())
    die_with_lease(output / "lease.json")
    write_frames(videos / "b.mp4", signing("aaa"))
    (videos / "empty.mp4").unlink()
    later = transcribe(options(inputs, videos, output, retry_failed=("no_face",)))
    assert (later.counts.replaced, later.counts.transcribed, later.counts.failed) == (1, 1, 1)
    assert [row["id"] for row in transcripts(output)] == ["a", "b"]
    assert "Transcription was killed" in (output / "runs" / "r0.html").read_text()


def test_parts_of_a_manifest(inputs: Path, videos: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("id,uri,start_seconds,end_seconds\nfirst,videos/a.mp4,0,0.16\nall,videos/a.mp4,,\n")
    record = transcribe(options(inputs, manifest, tmp_path / "out"))
    assert (record.counts.transcribed, record.counts.frames) == (2, 4 + 10)


def test_bad_input_touches_nothing(inputs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "framemill"):
        code = run_transcription(options(inputs, tmp_path / "none", tmp_path / "out"))
    assert code is ExitCode.BAD_INPUT
    assert "none" in caplog.text
    assert not (tmp_path / "out").exists()
