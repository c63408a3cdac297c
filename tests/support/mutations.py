"""Copies of small videos of every kind, damaged or with lies in their headers, for runs over thousands of them.

The seeds are fixed. What becomes of a copy is nobody's promise but that its id comes out once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from schemas.outcomes import FailureCode
from tests.support.damage import cut, flip, splice
from tests.support.dataset import ids, rows, run_job
from tests.support.header_fields import header_fields
from tests.support.serving import Client
from tests.support.videos import Clip, write_video

TINY = {"width": 64, "height": 48, "frames": 20, "rate": 8, "gop": 8, "sound_rate": 48_000}
FAST_VPX = {"cpu-used": "8", "lag-in-frames": "0"}
Damage = Callable[[bytes, np.random.Generator], bytes]
Mutation = Callable[[int, bytes, np.random.Generator], tuple[str, bytes]]


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


def damaged(number: int, data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """The name of a kind of damage and a file with it; each kind in turn."""
    damage = DAMAGES[number // len(CLIPS) % len(DAMAGES)]
    return damage.__name__, damage(data, rng)


def claiming(number: int, data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """A field of the headers and a file in which it has another value; a damaged one where there is no such field."""
    fields = header_fields(data)
    if not fields:
        return damaged(number, data, rng)
    field = fields[int(rng.integers(len(fields)))]
    values = list(field.values())
    value = values[int(rng.integers(len(values)))]
    return f"{field.start}", data[: field.start] + value + data[field.start + field.size :]


def mutations(
    sources: Path, mutation: Mutation, count: int, seed: int, clips: Iterable[str] = CLIPS
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of `count` mutations of these clips, which are written to `sources`."""
    sources.mkdir()
    rng = np.random.default_rng(seed)
    originals = {name: write_video(sources / name, CLIPS[name]).read_bytes() for name in clips}
    for number in range(count):
        name = list(originals)[number % len(originals)]
        kind, data = mutation(number, originals[name], rng)
        suffix = Path(name).suffix if Path(name).suffix in LISTED else ".mp4"  # an `.mp4` may hold any container
        yield f"{number:05d}-{kind}-{Path(name).stem}{suffix}", data


def serve_mutations(client: Client, files: Iterable[tuple[str, bytes]], models: str, at_once: int) -> Counter[str]:
    """Upload files to a service, some `at_once`; how many got results, and how many failed by code.

    Checks that each ends in one of the two, and that no error is one of the program.
    """

    def outcome(file: tuple[str, bytes]) -> str:
        name, data = file
        answer = client.upload(data, name, models)
        if answer.status != 202:
            assert (answer.status, answer.code) == (415, FailureCode.NOT_MEDIA), (name, answer)
            return "refused"
        state = client.settled(answer.json["id"])
        assert client.ask("DELETE", f"/v1/videos/{answer.json['id']}").status == 204
        if state["status"] == "done":
            assert state["results"], name
            assert all(result["labels"] for result in state["results"]), name
            return "done"
        assert state["error"]["code"] in set(FailureCode) - {FailureCode.INTERNAL}, (name, state["error"])
        return str(state["error"]["code"])

    with ThreadPoolExecutor(at_once) as pool:
        return Counter(pool.map(outcome, files))


def extract_mutations(root: Path, mutation: Mutation, count: int, seed: int, *options: str) -> Counter[str]:
    """Extract `count` mutations; how many became whole rows, rows of parts, and failures by code.

    Checks that every id comes out once, that no error is one of the program, and that rows are as good as they say.
    """
    folder = root / "videos"
    folder.mkdir()
    for name, data in mutations(root / "sources", mutation, count, seed):
        (folder / name).write_bytes(data)
    output = root / "out"
    limits = ("--max-failure-ratio", "1", "--max-seconds", "10")
    done = run_job(folder, output, *limits, "--quiet", *options, timeout_seconds=60 + count)
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
