"""From a folder or lists to a manifest that is read back, and errors that name what is wrong."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from cluster.class_names import read_class_names
from cluster.manifest import read_videos
from tests.servers import ROOT


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["make_manifest.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "jobs" / "make_manifest.py"), run_name="__main__")
    return int(ended.value.code or 0)
