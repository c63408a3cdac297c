from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from classifiers.export.onnx_session import OnnxSession
from tests.support.checkpoints import write_trained
from tests.support.dataset import ROOT
from tests.support.exports import plain_stream


def job(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "jobs" / "export_model.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_exports_a_checkpoint_as_a_user_runs_it(tmp_path: Path) -> None:
    checkpoint = write_trained(tmp_path / "stream", plain_stream())
    output = tmp_path / "stream.onnx"
    done = job("--checkpoint", checkpoint, "--output", output)
    assert done.returncode == 0, done.stderr
    assert "the best class is the same for 100.0%" in done.stderr
    assert OnnxSession(output.read_bytes()).exported.model == "movinet-a0-stream"


def test_what_is_wrong_exits_with_2(tmp_path: Path) -> None:
    done = job("--checkpoint", tmp_path, "--output", tmp_path / "model.bin", "--precision", "int8")
    assert done.returncode == 2
    assert "output must end in .onnx" in done.stderr
    assert "Traceback" not in done.stderr
    assert job("--checkpoint", tmp_path, "--output", tmp_path / "model.onnx").returncode == 2
