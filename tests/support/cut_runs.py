"""Runs of the cutting job in this process, and what they leave."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from cluster.cutting.config import CuttingOptions
from tests.support.cutting import VARIABLE
from tests.support.videos import Clip, write_video

ROWS = """id,label,start_seconds,end_seconds,group
anna.mp4,walk,0.4,1.2,
anna.mp4,run,1.0,2.0,
anna.mp4,jump,3.6,9.9,
anna.mp4,jump,7,8,
ben.mkv,walk,1,2,
ben.mkv,run,2,3,
missing.mp4,run,1,2,
broken.mp4,run,1,2,
"""


def write_inputs(folder: Path) -> Path:
    """Two good videos, a broken one, one without annotation, and a list of annotations."""
    (folder / "videos").mkdir()
    write_video(folder / "videos" / "anna.mp4", Clip(b_frames=2, gop=30, sound="aac", frames=100))
    write_video(folder / "videos" / "ben.mkv", Clip(b_frames=2, gop=25, pts=VARIABLE))
    write_video(folder / "videos" / "dora.mp4", Clip(frames=5))
    (folder / "videos" / "broken.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    (folder / "list.csv").write_text(ROWS)
    return folder


def cutting_options(folder: Path, output: Path, **given: Any) -> CuttingOptions:
    """Options of a run over `write_inputs`."""
    places = {"annotations": str(folder / "list.csv"), "videos": str(folder / "videos")}
    return CuttingOptions.of(
        **{**places, "output": str(output / "clips.csv"), "engine": "local", "quiet": True, **given}
    )


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a manifest."""
    with path.open() as file:
        return list(csv.DictReader(file))
