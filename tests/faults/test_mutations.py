"""Two thousand damaged copies of small videos, of every kind, through the job: every id comes out once, whatever it is.

The seeds are fixed. What becomes of a copy is nobody's promise but that: a row, whole or in part, or a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from schemas.outcomes import FailureCode
from tests.support.damage import cut, flip, splice
from tests.support.dataset import ids, rows, run_job
from tests.support.videos import Clip, write_video

COPIES = 2_000
TINY = {"width": 64, "height": 48, "frames": 20, "rate": 8, "gop": 8, "sound_rate": 48_000}
FAST_VPX = {"cpu-used": "8", "lag-in-frames": "0"}
Damage = Callable[[bytes, np.random.Generator], bytes]


def tiny(codec: str, sound: str | None, **changes: object) -> Clip:
    return Clip(codec, sound=sound, **(TINY | changes))  # type: ignore[arg-type]


CLIPS = {
    "h264.mp4": tiny("libx264", "aac"),
    "faststart.mp4": tiny("libx264", "aac", container_options={"movflags": "faststart"}),
    "fragments.mp4": tiny("libx264", "aac", container_options={"movflags": "frag_keyframe+empty_moov"}),
    "av1.mp4": tiny("libsvtav1", "aac", options={"preset": "12", "svtav1-params": "lp=1"}, width=96, height=64),
    "mpeg4.mov": tiny("mpeg4", "pcm_s16le"),
    "mjpeg.mov": tiny("mjpeg", "pcm_f32le", pix_fmt="yuvj420p"),
    "h264.mkv": tiny("libx264", "libopus", options={"x264-params": "open-gop=1:keyint=8:bframes=3"}),
    "hevc.mkv": tiny("libx265", "flac", options={"x265-params": "log-level=none:keyint=8:pools=1"}),
    "vp8.webm": tiny("libvpx", "libopus", options=FAST_VPX),
    "vp9.webm": tiny("libvpx-vp9", "libopus", options=FAST_VPX),
    "mpeg4.avi": tiny("mpeg4", "libmp3lame"),
    "h264.ts": tiny("libx264", "ac3"),
    "mpeg2.ts": tiny("mpeg2video", "mp2", rate=25, frames=60),
    "mpeg2.mpg": tiny("mpeg2video", "mp2", rate=25, frames=60, b_frames=2),
    "flv1.flv": tiny("flv", "libmp3lame", sound_rate=44_100),
    "wmv2.asf": tiny("wmv2", None),
    "plain.h264": tiny("libx264", None),
    "pictures.gif": tiny("gif", None, pix_fmt="rgb8"),
    "h264.nut": tiny("libx264", "aac"),
}
LISTED = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".flv", ".asf")


def blank(data: bytes, rng: np.random.Generator) -> bytes:
    """Write zeros over a block, as a disk or a broken transfer does."""
    start = int(rng.integers(len(data)))
    size = int(rng.integers(1, max(2, len(data) // 3)))
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


DAMAGES: tuple[Damage, ...] = (flip, cut, splice, blank)


def damaged_copies(folder: Path, sources: Path, count: int, seed: int) -> None:
    """Fill `folder` with `count` files, damaged in turn in every way; an `.mp4` may hold any container."""
    rng = np.random.default_rng(seed)
    originals = {name: write_video(sources / name, clip).read_bytes() for name, clip in CLIPS.items()}
    for number in range(count):
        name = list(originals)[number % len(originals)]
        damage = DAMAGES[number // len(originals) % len(DAMAGES)]
        suffix = Path(name).suffix if Path(name).suffix in LISTED else ".mp4"
        path = folder / f"{number:04d}-{damage.__name__}-{Path(name).stem}{suffix}"
        path.write_bytes(damage(originals[name], rng))


@pytest.mark.heavy
def test_two_thousand_damaged_files_through_ray(tmp_path: Path) -> None:
    outcome = extract_damaged(tmp_path, COPIES, 0, "--engine", "ray", "--time-limit", "60")
    print(outcome)
    assert outcome["whole"] > COPIES / 10
    assert outcome["partial"] > COPIES / 20


def test_damaged_files_through_the_local_engine(tmp_path: Path) -> None:
    assert extract_damaged(tmp_path, 4 * len(CLIPS), 1, "--engine", "local")["whole"] > 0


def extract_damaged(root: Path, count: int, seed: int, *options: str) -> Counter[str]:
    """How many copies became whole rows, rows of parts, and failures by code."""
    folder, sources = root / "videos", root / "sources"
    folder.mkdir()
    sources.mkdir()
    damaged_copies(folder, sources, count, seed)
    output = root / "out"
    done = run_job(folder, output, "--max-failure-ratio", "1", "--max-seconds", "10", "--quiet", *options)
    assert done.returncode == 0, done.stderr
    failures = rows(output, "failures")
    found = [*ids(output), *ids(output, "failures")]
    assert sorted(found) == sorted(path.stem for path in folder.iterdir())
    assert [(row["id"], row["message"]) for row in failures if row["code"] == FailureCode.INTERNAL] == []
    for row in rows(output):
        assert 0.5 <= row["coverage"] <= 1  # type: ignore[operator]
        assert (row["coverage"] < 1) == bool(row["gaps"])  # type: ignore[operator]
    kinds = ["partial" if row["gaps"] else "whole" for row in rows(output)]
    return Counter([*kinds, *(str(row["code"]) for row in failures)])
