"""Damaged files of every kind give samples or a `VideoError`: no crash, no hang, no other exception.

Not about one file: every container, codec and sound codec goes through all of `sample_frames`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.videos import Clip, write_video

ROOT = Path(__file__).resolve().parents[2]
FAST_VPX = {"cpu-used": "8", "lag-in-frames": "0"}
ONE_THREAD = {"x265-params": "log-level=none:keyint=20:pools=1"}
AV1 = {"preset": "12", "svtav1-params": "lp=1"}
SHORT = {"width": 96, "height": 64, "frames": 60, "gop": 20, "sound_rate": 48_000}


def short(codec: str, sound: str | None, **changes: object) -> Clip:
    return Clip(codec, sound=sound, **(SHORT | changes))  # type: ignore[arg-type]


CLIPS = {
    "h264 in MP4": (".mp4", short("libx264", "aac")),
    "h264 in fragments": (
        ".mp4",
        short("libx264", "aac", container_options={"movflags": "frag_keyframe+empty_moov"}),
    ),
    "h264 open groups in Matroska": (
        ".mkv",
        short("libx264", "libopus", options={"x264-params": "open-gop=1:keyint=20:bframes=3"}),
    ),
    "h264 in MPEG-TS": (".ts", short("libx264", "ac3")),
    "hevc in Matroska": (".mkv", short("libx265", "flac", options=ONE_THREAD)),
    "vp8 in WebM": (".webm", short("libvpx", "libopus", options=FAST_VPX)),
    "vp9 in WebM": (".webm", short("libvpx-vp9", "libopus", options=FAST_VPX)),
    "av1 in MP4": (".mp4", short("libsvtav1", "aac", options=AV1)),
    "mpeg2 in MPEG-PS": (".mpg", short("mpeg2video", "mp2", b_frames=2)),
    "mpeg4 in AVI": (".avi", short("mpeg4", "libmp3lame")),
    "prores in MOV": (".mov", short("prores_ks", "pcm_f32le", pix_fmt="yuv422p10le", frames=20)),
    "flv1 in FLV": (".flv", short("flv", "libmp3lame", sound_rate=44_100)),
    "wmv2 in ASF": (".asf", short("wmv2", None)),
    "gif": (".gif", short("gif", None, pix_fmt="rgb8", frames=20)),
}


def decode_damaged(name: str, folder: Path, count: int, seed: int, limit_seconds: float) -> dict[str, int]:
    suffix, clip = CLIPS[name]
    path = write_video(folder / f"clip{suffix}", clip)
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.support.damage", str(path), str(count), str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=limit_seconds,
    )
    lines = run.stdout.splitlines()
    assert run.returncode == 0, f"{name}: {lines[-1:]} ended with {run.returncode}\n{run.stderr[-3000:]}"
    counts: dict[str, int] = json.loads(lines[-1])
    print(f"{name}: {counts}")
    return counts


@pytest.mark.parametrize("name", CLIPS)
def test_damaged_files_give_samples_or_a_refusal(name: str, tmp_path: Path) -> None:
    counts = decode_damaged(name, tmp_path, count=12, seed=0, limit_seconds=60)
    assert counts["samples"] > 0


@pytest.mark.heavy
@pytest.mark.parametrize("name", CLIPS)
def test_many_damaged_files_give_samples_or_a_refusal(name: str, tmp_path: Path) -> None:
    counts = decode_damaged(name, tmp_path, count=200, seed=1, limit_seconds=500)
    assert counts["samples"] > 0
