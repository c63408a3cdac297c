"""The job as a user runs it: on Ray and on Beam, with the transcripts that the local engine gives."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.transcriptions import TranscriptionRecord
from tests.support.dataset import ROOT, job_environment, messages
from tests.support.lips import fixed_lips, signing, write_lips
from tests.support.talking import write_frames
from tests.support.transcripts import failure_codes, transcripts


def run_job(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "jobs" / "transcribe_lips.py", "--log-format", "json", *arguments]
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=300, env=job_environment(), check=False
    )


def previews_of(folder: Path) -> list[str]:
    """The animations in the report."""
    (page,) = folder.glob("runs/*.html")
    return re.findall(r"<img src=.data:image/webp;base64,([^\"]+)", page.read_text())


@pytest.mark.heavy
def test_all_engines_give_the_same_transcripts_and_previews(tmp_path: Path) -> None:
    reader = write_lips(tmp_path / "reader", fixed_lips(seed=1))
    for name in ("a", "b", "ab"):
        write_frames(tmp_path / "videos" / f"{name}.mp4", signing(name * 3))
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    given = ("--input", tmp_path / "videos", "--checkpoint", reader, "--window", 10, "--overlap", 4)
    for engine in (("local",), ("ray", "--pools", "apart", "--workers", 1), ("beam", "--workers", 2)):
        output = tmp_path / engine[0]
        done = run_job(*given, "--output", output, "--engine", *engine, "--max-failure-ratio", 1)
        assert done.returncode == 0, done.stderr
        assert "completed: 3 videos transcribed" in messages(done.stderr)
    assert [len(row["words"]) > 0 for row in transcripts(tmp_path / "local")] == [True] * 3
    previews = previews_of(tmp_path / "local")
    assert len(previews) == 3
    for engine in ("local", "ray", "beam"):
        assert transcripts(tmp_path / engine) == transcripts(tmp_path / "local")
        assert failure_codes(tmp_path / engine) == {"text": "not_media"}
        assert previews_of(tmp_path / engine) == previews
        (path,) = (tmp_path / engine).glob("runs/*.json")
        record = TranscriptionRecord.from_json(path.read_text())
        assert (record.machine.engine, record.counts.unaccounted) == (engine, 0)
        assert not (tmp_path / engine / "staging").exists()


def test_a_wrong_option_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    done = run_job("--input", "i", "--checkpoint", "c", "--output", tmp_path, "--overlaps", 3)
    assert done.returncode == 2
    assert "did you mean" in done.stderr
